"""Loads a configuration from a file and the environment, with all problems at once."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import structs

from mailstack.config.checks import check
from mailstack.config.model import Config
from mailstack.config.source import ConfigError, ConfigSource, KeyPath, Problem, closest, read_source
from mailstack.config.values import READERS, HostName, StoreName, read_host_name
from mailstack.relay.routes import RouteError, SenderRoutes, SmartHost, StaticRoutes
from mailstack.relay.tls_policy import TlsPolicyError, TlsPolicyTable

SECRET: frozenset[Any] = frozenset({SmartHost, StoreName})
"""Types of secret values, which no message shows."""

_BY_PATTERN: Mapping[Any, Callable[[dict[str, object]], Mapping[str, Any]]] = {
    StaticRoutes: lambda lines: StaticRoutes.parse(lines).targets,
    SenderRoutes: lambda lines: SenderRoutes.parse(lines).hosts,
    TlsPolicyTable: lambda lines: TlsPolicyTable.parse(lines).levels,
}
"""Parsers of tables with patterns as keys."""

_PLAIN = {bool: "true or false", int: "a whole number", str: "a text in quotes"}

ModelT = TypeVar("ModelT", bound=msgspec.Struct)


def read_model(model: type[ModelT], source: ConfigSource) -> tuple[ModelT, list[Problem]]:
    """Return the model and the problems. With problems the model is incomplete: wrong settings have their default."""
    reading = _Reading(source)
    return reading.table(model, source.given, ()), reading.problems


def is_table(kind: Any) -> bool:
    """Return whether a type is a table of the model."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__struct_config__.forbid_unknown_fields


class _Reading:
    """One pass over the tables, with the problems found so far."""

    def __init__(self, source: ConfigSource) -> None:
        self.problems: list[Problem] = []
        self._source = source

    def table(self, model: type[ModelT], given: dict[str, Any], path: KeyPath) -> ModelT:
        fields = {setting.encode_name: setting for setting in msgspec.structs.fields(model)}
        values: dict[str, Any] = {}
        for name, value in given.items():
            setting = fields.get(name)
            if setting is None:
                self._unknown((*path, name), list(fields))
            else:
                self._setting(setting, value, (*path, name), values)
        return model(**values)

    def _setting(
        self, setting: msgspec.structs.FieldInfo, value: object, path: KeyPath, values: dict[str, Any]
    ) -> None:
        """Convert one value into `values`, or add a problem."""
        kind = _without_none(setting.type)
        if is_table(kind):
            if isinstance(value, dict):
                values[setting.name] = self.table(kind, value, path)
            else:
                self._wrong(path, "a table", value)
            return
        if path in self._source.variables and isinstance(value, str):
            value = _from_text(kind, value)
        if value == "" and kind is not setting.type:
            values[setting.name] = None
            return
        before = len(self.problems)
        result = self._value(kind, value, path)
        if len(self.problems) == before:
            values[setting.name] = result

    def _value(self, kind: Any, value: object, path: KeyPath) -> object:
        origin = get_origin(kind)
        if origin is tuple:
            if get_args(kind)[0] is SmartHost and isinstance(value, str):
                return (self._one(SmartHost, value, path),) if value else ()
            if not isinstance(value, list):
                return self._wrong(path, "a list in brackets", value)
            inner = get_args(kind)[0]
            return tuple(self._one(inner, item, path, f"[{index}]") for index, item in enumerate(value))
        if (read := _BY_PATTERN.get(kind)) is not None:
            return kind(self._lines(value, path, read))
        return self._one(kind, value, path)

    def _lines(
        self, value: object, path: KeyPath, read: Callable[[dict[str, object]], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Convert a table with patterns as keys. Each line is parsed by itself, so that every problem is found."""
        lines: dict[str, Any] = {}
        if not isinstance(value, dict):
            self._wrong(path, "a table", value)
            return lines
        for pattern, each in value.items():
            try:
                lines.update(read({pattern: each}))
            except (RouteError, TlsPolicyError) as error:
                self._wrong((*path, pattern), str(error), error.given)
        return lines

    def _one(self, kind: Any, value: object, path: KeyPath, item: str = "") -> object:
        """Convert a single value."""
        if is_table(kind):
            return (
                self.table(kind, value, path) if isinstance(value, dict) else self._wrong(path, "a table", value, item)
            )
        try:
            if kind in READERS:
                return READERS[kind](value)
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return self._wrong(path, _expected(kind), value, item)
        except ValueError as error:
            return self._wrong(path, str(error), None if kind in SECRET else value, item)

    def _wrong(self, path: KeyPath, expected: str, value: object, item: str = "") -> object:
        """Add a problem; return None in place of the value."""
        got = f", got {_json_text(value)}" if value is not None else ""
        self.problems.append(self._source.problem(path, f"expected {expected}{got}", item=item))
        return None

    def _unknown(self, path: KeyPath, names: list[str]) -> None:
        near = closest(path[-1], names)
        cure = f'did you mean "{near}"?' if near else f"known here: {', '.join(names)}"
        self.problems.append(self._source.problem(path, "unknown key", cure))


def _without_none(kind: Any) -> Any:
    """Return the type of an optional setting: Path for `Path | None`."""
    if get_origin(kind) in {UnionType, Union}:
        return next(member for member in get_args(kind) if member is not type(None))
    return kind


def _expected(kind: Any) -> str:
    """Describe a type in words."""
    if get_origin(kind) is Annotated:
        return str(get_args(kind)[1].description)
    if get_origin(kind) is Literal:
        return " or ".join(json.dumps(word) for word in get_args(kind))
    return _PLAIN[kind]


def _json_text(value: object) -> str:
    """Return a value as JSON, at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _from_text(kind: Any, text: str) -> object:
    """Convert the text of an environment variable: text stays text, all other types are parsed as TOML.

    A list may also be written with commas only, since nested quotes are awkward in a shell.
    """
    if get_origin(kind) is tuple and not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    if kind is str or kind in READERS or get_origin(kind) is Literal:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in a file, if any, overridden by MAILSTACK_… variables.

    Relative paths are relative to the file, or to the current directory without a file.
    Raises ConfigError.
    """
    tables, keys = _names()
    source = read_source(path, environ, tables, keys)
    config, problems = read_model(Config, source)
    if problems:
        raise ConfigError(problems)
    config = _absolute_paths(config, Path.cwd() if path is None else path.absolute().parent)
    config = structs.replace(config, hostname=config.hostname or _machine_name())
    config, problems = _add_secrets(config, source)
    problems += check(config, source)
    if problems:
        raise ConfigError(problems)
    return config


def _names() -> tuple[frozenset[str], frozenset[str]]:
    """Names of tables and of other keys at the top level."""
    fields = structs.fields(Config)
    tables = frozenset(setting.encode_name for setting in fields if is_table(setting.type))
    return tables, frozenset(setting.encode_name for setting in fields) - tables


def _absolute_paths(config: Config, root: Path) -> Config:
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


def _machine_name() -> HostName:
    """Host name of the machine; empty if it is no domain name. It sends no DNS query, which may hang."""
    try:
        return read_host_name(socket.gethostname())
    except ValueError:
        return HostName("")


def _add_secrets(config: Config, source: ConfigSource) -> tuple[Config, list[Problem]]:
    """Add the passwords or token files of smart hosts that need them."""
    hosts, file, tokens = (
        config.relay.smart_host,
        config.relay.smart_host_password_file,
        config.relay.smart_host_token_file,
    )
    if tokens is not None and file is None:
        hosts = tuple(
            [
                host if host.credentials is None or host.credentials.password else host.with_token_file(tokens)
                for host in hosts
            ]
        )
        return structs.replace(config, relay=structs.replace(config.relay, smart_host=hosts)), []
    if file is None or not any(host.credentials for host in hosts):
        return config, []
    key = ("relay", "smart_host_password_file")
    wanting = [host for host in hosts if host.credentials is not None and not host.credentials.password]
    if not wanting:
        return config, [source.problem(key, "smart_host already has a password", "remove one of the two")]
    try:
        password = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        return config, [source.problem(key, f"cannot be read: {error}")]
    if not password:
        return config, [source.problem(key, f"{file} is empty", "put the password of the smart host into it")]
    complete = tuple(host.with_password(password) if host in wanting else host for host in hosts)
    return structs.replace(config, relay=structs.replace(config.relay, smart_host=complete)), []
