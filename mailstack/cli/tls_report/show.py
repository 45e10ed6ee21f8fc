"""Command `mailstack tls-report show`: results for one domain."""

from __future__ import annotations

import click

from mailstack.cli.errors import CommandError
from mailstack.cli.output import print_json, print_table
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.config import Config
from mailstack.config.values import Domain, read_domain
from mailstack.relay.tls_reports.report import document, report_on
from mailstack.server.wiring.tls_reports import reporting_of


@click.command()
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="The reports themselves (RFC 8460 §4.4), one a day and line.")
@with_target
def show(target: TargetServer, domain: str, as_json: bool) -> None:
    """Show what was counted for a domain and not reported yet: each policy, and why sessions failed.

    A running server brings its counts into the store every ten seconds.

    \b
    Example:
      mailstack tls-report show elsewhere.test
      mailstack tls-report show elsewhere.test --json | jq .policies
    """
    try:
        wanted = read_domain(domain)
    except ValueError as error:
        raise CommandError(str(error)) from error
    with OpenStore(target, only_reads=True) as mail_server:
        counts = mail_server.run(mail_server.store.tls_results.counts(wanted))
    if as_json:
        config = target.settings or Config(domains=tuple(Domain(each) for each in target.domains))
        reporting = reporting_of(config)
        for day in sorted({each.day for each in counts}):
            print_json(document(wanted, day, counts, reporting, report_on(wanted, day, counts, reporting).id))
        return
    rows = [
        (
            each.policy.type,
            each.policy.domain,
            "success" if each.failure is None else each.failure.type,
            "" if each.failure is None else f"{each.failure.host} [{each.failure.receiving_ip}]",
            str(each.sessions),
            "" if each.failure is None else each.failure.reason,
        )
        for each in counts
    ]
    headings = ("policy", "of", "result", "host", "sessions", "reason")
    print_table(headings, rows, empty=f"nothing was counted for {wanted}; is [tls_reports] on?")
