"""Command group `mailstack tls-report`."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": ("mailstack.cli.tls_report.list:list_", "List the domains and days that were not reported yet."),
    "show": ("mailstack.cli.tls_report.show:show", "Show what a domain would be told."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def tls_report() -> None:
    """See what TLS with the hosts of other domains came to.

    Each day is told to the domains that ask for it (RFC 8460), and then forgotten here; see [tls_reports].
    """
