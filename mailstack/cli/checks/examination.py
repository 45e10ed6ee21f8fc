"""Examination of a configuration: all checks in order, and those of its files."""

from __future__ import annotations

import os
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as NoAnswer

from mailstack.cli.checks import Finding, broken, good, warning
from mailstack.cli.checks.dns import check_names, check_published
from mailstack.cli.checks.resources import check_objects, check_open_files, check_ports, check_storage
from mailstack.cli.runner import run_reactor
from mailstack.config import Config, ConfigError, load
from mailstack.config.derived import (
    certificate_files,
    made_by_mailstack,
    private_ca_directory,
    signing_keys,
    warning_thresholds,
)
from mailstack.net.certificate_checks import certificate_warnings, covers, date_warnings
from mailstack.net.certificates import CertificateFiles, TlsError, covered_names, read_identity
from mailstack.net.client_tls import ClientTls
from mailstack.net.dns import system_names
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.queue.webhooks.webhook import BadSecret
from mailstack.relay.hosts import DnsUnavailable
from mailstack.server.wiring.certificates import server_context
from mailstack.server.wiring.webhooks import secrets_in
from mailstack.web.autoconfig.records import WEB_LABELS

CERTIFICATE = "certificate"


def check_certificate(config: Config, now: float | None = None) -> Iterator[Finding]:
    """Checks the configured or the self-made certificates; `now` is in seconds since 1970."""
    now = time.time() if now is None else now
    shown, own_ca = certificate_files(config), private_ca_directory(config)
    if made_by_mailstack(config) and not shown[0].certificate.exists():
        yield good(
            CERTIFICATE,
            f"none is configured: a private CA and a certificate are created in {own_ca} at the first start",
        )
        return
    try:
        server_context(config)
        found = certificate_warnings(shown, config.hostname, now, warning_thresholds(config))
    except TlsError as error:
        yield broken(CERTIFICATE, str(error))
        return
    for files in shown:
        yield from _about(files, config, now)
    for concern in found:
        yield (broken if concern.grave else warning)(CERTIFICATE, concern.text)
    if missing := _not_covered(shown, config):
        yield warning(CERTIFICATE, f"no certificate covers {', '.join(missing)}, so clients will reject the connection")
    if made_by_mailstack(config):
        yield warning(CERTIFICATE, f"it is signed by a private CA: clients must trust {own_ca / 'ca.pem'}")


def _not_covered(shown: list[CertificateFiles], config: Config) -> list[str]:
    """Host names that clients use and no certificate covers."""
    names = [name for files in shown for name in covered_names(read_identity(files.certificate, files.key)[0][0])]
    called: list[str] = [config.clients.host] if config.clients.host else []
    if config.listen.https:
        called += [f"{label}.{domain}" for domain in config.domains for label in WEB_LABELS]
    return [name for name in called if not covers(names, name)]


def _about(files: CertificateFiles, config: Config, now: float) -> Iterator[Finding]:
    leaf = read_identity(files.certificate, files.key)[0][0]
    if not any(date_warnings(files.certificate, leaf, now, warning_thresholds(config))):
        yield good(CERTIFICATE, f"{files.certificate} is valid until {leaf.not_valid_after_utc:%Y-%m-%d}")
    if files.key.stat().st_mode & 0o004:
        yield warning(CERTIFICATE, f"every user of this machine can read {files.key}; chmod o-r it")


def check_keys(config: Config) -> Iterator[Finding]:
    """Checks the DKIM key files."""
    try:
        keys = signing_keys(config)
    except InvalidKey as trouble:
        yield broken("dkim", str(trouble))
        return
    for each in config.dkim.keys:
        if each.file is not None and each.file.stat().st_mode & 0o004:
            yield warning("dkim", f"every user of this machine can read {each.file}; chmod o-r it")
    if keys and config.dkim.sign_relayed and config.relay.relay_from:
        yield warning(
            "dkim",
            f"messages from {', '.join(map(str, config.relay.relay_from))} are signed with any From of the keys' domains:"
            " [dkim] sign_relayed is true. Set it to false, unless you trust everything that these machines send.",
        )
    if keys:
        yield good("dkim", f"messages are signed with {', '.join([each.selector for each in keys])}")


def check_webhooks(config: Config) -> Iterator[Finding]:
    """Checks secrets and CAs of webhooks; `mailstack webhook test` contacts the receivers."""
    for each in config.webhooks:
        part = f"webhook {each.name}"
        try:
            ClientTls(each.ca_file).check()
            secrets = secrets_in(each.secret_file) if each.secret_file is not None else ()
        except (TlsError, BadSecret, OSError) as trouble:
            file = f"{each.secret_file}: " if isinstance(trouble, BadSecret) else ""
            yield broken(part, f"{file}{trouble}")
            continue
        if each.secret_file is None:
            yield warning(
                part,
                "its requests are not signed, so the receiver can't verify their origin; create a secret with `mailstack webhook secret`, and set secret_file",
            )
        elif each.secret_file.stat().st_mode & 0o004:
            yield warning(part, f"every user of this machine can read {each.secret_file}; chmod o-r it")
        else:
            count = f"{len(secrets)} secret{'s' if len(secrets) > 1 else ''}"
            yield good(
                part, f"posts to {each.url}, signed with {count}; test it with `mailstack webhook test {each.name}`"
            )


DNS_TIMEOUT_S = 8.0
"""Maximum seconds for the DNS checks."""


def examine(file: Path, *, dns: bool) -> Iterator[Finding]:
    """Findings of all checks; only configuration errors if the file is invalid."""
    try:
        config = load(file, os.environ)
    except ConfigError as error:
        yield from (broken("configuration", str(problem)) for problem in error.problems)
        return
    yield good("configuration", f"{file} is valid")

    yield from check_certificate(config)
    yield from check_keys(config)
    yield check_from_header(config)
    yield from check_webhooks(config)
    yield from check_storage(config)
    yield from check_objects(config)
    yield from check_ports(config)
    yield check_open_files(config)
    if dns:
        yield from _ask_names(config)


def _ask_names(config: Config) -> list[Finding]:
    """Both DNS checks at once, each with its own timeout."""

    async def ask(reactor: Any) -> list[Finding]:
        names = system_names(reactor, [(server.host, server.port) for server in config.relay.nameservers])
        questions = [check_names(config, names), check_published(config, names)]
        answers = [Deferred.fromCoroutine(_in_time(question, reactor)) for question in questions]
        exchanges, published = [await answer for answer in answers]
        texts = {finding.text for finding in exchanges}
        return [*exchanges, *(finding for finding in published if finding.text not in texts)]

    return run_reactor(ask)


async def _in_time(question: Coroutine[Any, Any, list[Finding]], reactor: Any) -> list[Finding]:
    """Findings of a check; a warning on timeout."""
    try:
        return await Deferred.fromCoroutine(question).addTimeout(DNS_TIMEOUT_S, reactor)
    except NoAnswer:
        return [
            warning("dns", f"no answer within {DNS_TIMEOUT_S:.0f} s, so the published records could not be checked")
        ]
    except DnsUnavailable as error:
        return [warning("dns", f"no answer, so the published records could not be checked: {error}")]


def check_from_header(config: Config) -> Finding:
    """Warns if accounts may use addresses of other accounts in From."""
    if config.submission.check_from == "refuse":
        return good("from", "accounts can use only their own addresses in From")
    unsigned = " Such messages are not signed." if config.dkim.keys else ""
    return warning(
        "from",
        f'any account can use any address in From: [submission] check_from is "{config.submission.check_from}".'
        f'{unsigned} Set it to "refuse", unless an application needs this.',
    )
