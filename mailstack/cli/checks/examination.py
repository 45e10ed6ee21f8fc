"""Examination of a configuration and its server: all checks in order."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as NoAnswer

from mailstack.cli.checks import Finding, broken, good, warning
from mailstack.cli.checks.dns import check_names, check_published
from mailstack.cli.checks.key_files import check_certificate, check_keys, check_webhooks
from mailstack.cli.checks.ports import check_open_files, check_ports
from mailstack.cli.checks.storage import check_objects, check_storage
from mailstack.cli.runner import run_reactor
from mailstack.config import Config, ConfigError, load
from mailstack.net.dns import system_names
from mailstack.relay.dns import DnsUnavailable

DNS_TIMEOUT_S = 8.0
"""Maximum seconds for the DNS checks."""


def examine(file: Path, *, dns: bool) -> Iterator[Finding]:
    """All findings; only configuration errors if the file can't be read."""
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
        asked = [Deferred.fromCoroutine(_in_time(question, reactor)) for question in questions]
        exchanges, published = [await answer for answer in asked]
        told = {finding.text for finding in exchanges}
        return [*exchanges, *(finding for finding in published if finding.text not in told)]

    return run_reactor(ask)


async def _in_time(question: Coroutine[Any, Any, list[Finding]], reactor: Any) -> list[Finding]:
    """Findings of a check, or a warning if it takes too long."""
    try:
        return await Deferred.fromCoroutine(question).addTimeout(DNS_TIMEOUT_S, reactor)
    except NoAnswer:
        return [
            warning("dns", f"no answer within {DNS_TIMEOUT_S:.0f} s, so the published records could not be checked")
        ]
    except DnsUnavailable as error:
        return [warning("dns", f"no answer, so the published records could not be checked: {error}")]


def check_from_header(config: Config) -> Finding:
    """Warns of a configuration in which accounts may write addresses of others into From."""
    if config.submission.check_from == "refuse":
        return good("from", "accounts write only their own addresses into From")
    unsigned = " Such letters are not signed." if config.dkim.keys else ""
    return warning(
        "from",
        f'any account may write any address into From: [submission] check_from is "{config.submission.check_from}".'
        f'{unsigned} Set it to "refuse", unless an application needs that.',
    )
