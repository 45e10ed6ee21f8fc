"""Commands `mailstack tls-report list` and `show`: TLS results not yet reported."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.config import Config
from mailstack.config.values import Domain, read_domain
from mailstack.relay.tls_reports.report import document, report_on
from mailstack.server.wiring.tls_reports import reporting_of
from mailstack.store.tls_results import DAY, TlsCount


@click.group()
def tls_report() -> None:
    """Show the TLS sessions with other domains, successful and failed.

    The server reports them daily to domains that request reports (RFC 8460), and then deletes them; see [tls_reports].
    """


@tls_report.command("list")
@click.option("--failures", is_flag=True, help="List only domains with failed sessions.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: day, domain, successes, failures.")
@with_target
def list_(target: TargetServer, failures: bool, as_json: bool) -> None:
    """List the sessions by day and domain.

    \b
    Example:
      mailstack tls-report list --failures
    """
    with OpenStore(target, only_reads=True) as server:
        counts = server.run(server.store.tls_results.counts())
    found: dict[tuple[int, str], list[TlsCount]] = {}
    for each in counts:
        found.setdefault((each.day, each.domain), []).append(each)
    rows = []
    for (day, domain), results in found.items():
        good = sum(each.sessions for each in results if each.failure is None)
        bad = sum(each.sessions for each in results if each.failure is not None)
        if failures and not bad:
            continue
        date = f"{datetime.fromtimestamp(day * DAY, UTC):%Y-%m-%d}"
        if as_json:
            print_json({"day": date, "domain": domain, "successes": good, "failures": bad})
        types = dict.fromkeys(each.failure.type for each in results if each.failure is not None)
        rows.append((date, domain, str(good), str(bad), ", ".join(types)))
    if not as_json:
        print_table(("day", "domain", "good", "failed", "reasons"), rows, empty="no TLS sessions are recorded")


@tls_report.command()
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="Print the reports (RFC 8460 §4.4), one a line for each day.")
@with_target
def show(target: TargetServer, domain: str, as_json: bool) -> None:
    """Show the sessions with one domain.

    The table has policies, results and reasons of failures. A running server writes its counts to the store every ten seconds.

    \b
    Example:
      mailstack tls-report show elsewhere.test
      mailstack tls-report show elsewhere.test --json | jq .policies
    """
    try:
        only_domain = read_domain(domain)
    except ValueError as error:
        raise CommandError(str(error)) from error
    with OpenStore(target, only_reads=True) as mail_server:
        counts = mail_server.run(mail_server.store.tls_results.counts(only_domain))
    if as_json:
        config = target.settings or Config(domains=tuple(Domain(each) for each in target.domains))
        reporting = reporting_of(config)
        for day in sorted({each.day for each in counts}):
            print_json(document(only_domain, day, counts, reporting, report_on(only_domain, day, counts, reporting).id))
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
    headings = ("policy", "domain", "result", "host", "sessions", "reason")
    print_table(
        headings, rows, empty=f"no TLS sessions with {only_domain} are recorded; check that [tls_reports] is configured"
    )
