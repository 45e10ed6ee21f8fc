"""Command `mailstack tls-report list`: days and domains not yet reported."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from mailstack.cli.output import print_json, print_table
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.store.tls_results import DAY, TlsCount


@click.command("list")
@click.option("--failures", is_flag=True, help="Only domains with sessions that failed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: day, domain, successes, failures.")
@with_target
def list_(target: TargetServer, failures: bool, as_json: bool) -> None:
    """List what was counted for each day and domain, and not reported yet.

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
    for (day, domain), those in found.items():
        good = sum(each.sessions for each in those if each.failure is None)
        bad = sum(each.sessions for each in those if each.failure is not None)
        if failures and not bad:
            continue
        date = f"{datetime.fromtimestamp(day * DAY, UTC):%Y-%m-%d}"
        if as_json:
            print_json({"day": date, "domain": domain, "successes": good, "failures": bad})
        types = dict.fromkeys(each.failure.type for each in those if each.failure is not None)
        rows.append((date, domain, str(good), str(bad), ", ".join(types)))
    if not as_json:
        print_table(("day", "domain", "good", "failed", "because of"), rows, empty="nothing was counted")
