"""`mailstack check`: says what would not work with a configuration, and why."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import click
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as NoAnswer

from mailstack.cli.checks.dns import check_names, check_published
from mailstack.cli.checks.finding import Finding, broken, good, warning
from mailstack.cli.checks.key_files import check_certificate, check_keys, check_webhooks
from mailstack.cli.checks.ports import check_open_files, check_ports
from mailstack.cli.checks.storage import check_objects, check_storage
from mailstack.cli.output import print_json, print_table
from mailstack.cli.reactor import run_reactor
from mailstack.cli.target import config_file
from mailstack.config import Config, ConfigError, load
from mailstack.net.dns import system_names
from mailstack.relay.dns import DnsUnavailable

PATIENCE = 8.0
"""Seconds that the DNS may take; a machine that is offline must not wait longer to hear the rest."""

MARKS = {"good": "ok", "warning": "warn", "broken": "BROKEN"}


@click.command()
@config_file
@click.option("--dns/--no-dns", default=True, show_default=True, help="Ask the DNS about the domains.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: part, verdict, text.")
def check(file: Path, dns: bool, as_json: bool) -> None:
    """Read the configuration, certificates, store, ports and DNS; say what would not work, and why.

    The exit status is 1 when something is broken. Warnings may be meant so. Nothing is changed, and a running server is
    not disturbed.

    \b
    Example:
      mailstack check -c mailstack.toml
      mailstack check -c mailstack.toml --json | jq -r 'select(.verdict == "broken") | .text'
    """
    findings = list(examine(file, dns=dns))
    if as_json:
        for finding in findings:
            print_json({"part": finding.part, "verdict": finding.verdict, "text": finding.text})
    else:
        print_table(("", "part", "found"), [(MARKS[each.verdict], each.part, each.text) for each in findings])
    count = sum(each.verdict == "broken" for each in findings)
    if count:
        click.echo(
            f"mailstack: {count} of {len(findings)} checks failed; mend what is BROKEN, and check again", err=True
        )
        raise click.exceptions.Exit(1)


def examine(file: Path, *, dns: bool) -> Iterator[Finding]:
    """Everything that can be looked at; the rest makes no sense while the configuration can't be read."""
    try:
        config = load(file, os.environ)
    except ConfigError as error:
        yield from (broken("configuration", str(problem)) for problem in error.problems)
        return
    yield good("configuration", f"{file} can be used")

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
    """Both questions at once, each with the same patience."""

    async def ask(reactor: Any) -> list[Finding]:
        names = system_names(reactor, [(server.host, server.port) for server in config.relay.nameservers])
        questions = [check_names(config, names), check_published(config, names)]
        asked = [Deferred.fromCoroutine(_in_time(question, reactor)) for question in questions]
        exchanges, published = [await answer for answer in asked]
        told = {finding.text for finding in exchanges}
        return [*exchanges, *(finding for finding in published if finding.text not in told)]

    return run_reactor(ask)


async def _in_time(question: Coroutine[Any, Any, list[Finding]], reactor: Any) -> list[Finding]:
    """The findings, or that there are none in time."""
    try:
        return await Deferred.fromCoroutine(question).addTimeout(PATIENCE, reactor)
    except NoAnswer:
        return [warning("dns", f"no answer within {PATIENCE:.0f} s, so that nothing is known of what is published")]
    except DnsUnavailable as error:
        return [warning("dns", f"no answer, so that nothing is known of what is published: {error}")]


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
