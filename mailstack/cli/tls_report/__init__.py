"""Command group `mailstack tls-report`."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": ("mailstack.cli.tls_report.list:list_", "List the days and domains not yet reported."),
    "show": ("mailstack.cli.tls_report.show:show", "Show the results for one domain."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def tls_report() -> None:
    """Show the results of TLS with other domains.

    Results are reported daily to domains that request it (RFC 8460), and then deleted; see [tls_reports].
    """
