"""Command `mailstack check`, and the findings of its checks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from msgspec import Struct

from mailstack.cli.lazy_group import load
from mailstack.cli.output import print_json, print_table
from mailstack.cli.target import config_file

Verdict = Literal["good", "warning", "broken"]
"""Severity: `broken` keeps the server from working; `warning` may be intended, or could not be checked."""


class Finding(Struct, frozen=True):
    """Result of one check: a row of `mailstack check`."""

    part: str
    """Checked part: `configuration`, `certificate`, `listen.mx`, `dns home.test` …"""
    verdict: Verdict
    text: str
    """Result, with a remedy unless it is good."""


def good(part: str, text: str) -> Finding:
    return Finding(part, "good", text)


def warning(part: str, text: str) -> Finding:
    return Finding(part, "warning", text)


def broken(part: str, text: str) -> Finding:
    return Finding(part, "broken", text)


MARKS = {"good": "ok", "warning": "warn", "broken": "BROKEN"}


@click.command()
@config_file
@click.option("--dns/--no-dns", default=True, show_default=True, help="Check the DNS records of the domains.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: part, verdict, text.")
def check(file: Path, dns: bool, as_json: bool) -> None:
    """Check a configuration, its certificates, store, ports and DNS.

    Each finding names a problem and its remedy. The exit status is 1 if a check is BROKEN; a warning may be intended.
    The command changes nothing, and a running server is not affected.

    \b
    Example:
      mailstack check -c mailstack.toml
      mailstack check -c mailstack.toml --json | jq -r 'select(.verdict == "broken") | .text'
    """
    findings = list(load("mailstack.cli.checks.examination:examine")(file, dns=dns))
    if as_json:
        for finding in findings:
            print_json({"part": finding.part, "verdict": finding.verdict, "text": finding.text})
    else:
        print_table(("", "part", "finding"), [(MARKS[each.verdict], each.part, each.text) for each in findings])
    count = sum(each.verdict == "broken" for each in findings)
    if count:
        click.echo(
            f"mailstack: {count} of {len(findings)} checks failed; fix each BROKEN finding, and run the command again",
            err=True,
        )
        raise click.exceptions.Exit(1)
