"""Checks of the From header that accounts may use."""

from __future__ import annotations

from mailstack.cli.checks.finding import Finding, good, warning
from mailstack.config import Config


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
