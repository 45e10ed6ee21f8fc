"""Loads a configuration from a file and the environment."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from mailstack.config.checks import check
from mailstack.config.convert import is_table, read_model
from mailstack.config.errors import ConfigError, Problem
from mailstack.config.model import Config
from mailstack.config.source import Source, read_source
from mailstack.config.values import HostName, read_host_name


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration of `path`, MAILSTACK_… variables over it; without a path, the defaults under the variables.

    Relative paths, wherever they are set, are relative to the file, or to the current directory without one.
    Raises ConfigError.
    """
    tables, keys = _names()
    source = read_source(path, environ, tables, keys)
    config, problems = read_model(Config, source)
    if problems:
        raise ConfigError(problems)
    config = _rooted(config, Path.cwd() if path is None else path.absolute().parent)
    config = structs.replace(config, hostname=config.hostname or _own_name())
    config, problems = _with_password(config, source)
    problems += check(config, source)
    if problems:
        raise ConfigError(problems)
    return config


def _names() -> tuple[frozenset[str], frozenset[str]]:
    """The tables and the plain keys at the top of a file."""
    fields = structs.fields(Config)
    tables = frozenset(known.encode_name for known in fields if is_table(known.type))
    return tables, frozenset(known.encode_name for known in fields) - tables


def _rooted(config: Config, root: Path) -> Config:
    """The configuration with absolute paths."""
    tls, relay, oauth, contents = config.tls, config.relay, config.accounts.oauth, config.contents
    password_file, ca_file = relay.smart_host_password_file, relay.ca_file
    return structs.replace(
        config,
        data=root / config.data,
        tls=structs.replace(
            tls,
            certificate=tls.certificate and root / tls.certificate,
            key=tls.key and root / tls.key,
            certificates=tuple(
                structs.replace(
                    each, certificate=each.certificate and root / each.certificate, key=each.key and root / each.key
                )
                for each in tls.certificates
            ),
            client_ca=tls.client_ca and root / tls.client_ca,
        ),
        accounts=structs.replace(
            config.accounts,
            oauth=structs.replace(
                oauth,
                jwks=oauth.jwks and root / oauth.jwks,
                client_secret_file=oauth.client_secret_file and root / oauth.client_secret_file,
            ),
        ),
        contents=structs.replace(
            contents,
            secret_key_file=contents.secret_key_file and root / contents.secret_key_file,
            ca_file=contents.ca_file and root / contents.ca_file,
        ),
        webhooks=tuple(
            structs.replace(
                each,
                secret_file=each.secret_file and root / each.secret_file,
                ca_file=each.ca_file and root / each.ca_file,
            )
            for each in config.webhooks
        ),
        dkim=structs.replace(
            config.dkim,
            keys=tuple(structs.replace(each, file=each.file and root / each.file) for each in config.dkim.keys),
        ),
        relay=structs.replace(
            relay,
            smart_host_password_file=password_file and root / password_file,
            smart_host_token_file=relay.smart_host_token_file and root / relay.smart_host_token_file,
            ca_file=ca_file and root / ca_file,
            certificate=relay.certificate and root / relay.certificate,
            key=relay.key and root / relay.key,
        ),
    )


def _own_name() -> HostName:
    """Host name of the machine; empty if it is no domain name. It sends no DNS query, which may hang."""
    try:
        return read_host_name(socket.gethostname())
    except ValueError:
        return HostName("")


def _with_password(config: Config, source: Source) -> tuple[Config, list[Problem]]:
    """The smart hosts with the password of the file, or where their token is, where they want one."""
    hosts, file, tokens = (
        config.relay.smart_host,
        config.relay.smart_host_password_file,
        config.relay.smart_host_token_file,
    )
    if tokens is not None and file is None:
        shown = tuple(
            [
                host if host.credentials is None or host.credentials.password else host.with_token_file(tokens)
                for host in hosts
            ]
        )
        return structs.replace(config, relay=structs.replace(config.relay, smart_host=shown)), []
    if file is None or not any(host.credentials for host in hosts):
        return config, []
    key = ("relay", "smart_host_password_file")
    wanting = [host for host in hosts if host.credentials is not None and not host.credentials.password]
    if not wanting:
        return config, [source.problem(key, "smart_host has a password already", "keep one of the two")]
    try:
        password = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        return config, [source.problem(key, f"cannot be read: {error}")]
    if not password:
        return config, [source.problem(key, f"{file} is empty", "put the password of the smart host into it")]
    complete = tuple(host.with_password(password) if host in wanting else host for host in hosts)
    return structs.replace(config, relay=structs.replace(config.relay, smart_host=complete)), []
