"""Command `mailstack queue list`: waiting letters, or counts of them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mailstack.cli.output import due_text, last_word, print_json, print_table
from mailstack.cli.queue.context import reason_of
from mailstack.cli.queue.group import NAMES, By, columns, grouped
from mailstack.cli.queue.selection import MAX_SCANNED, narrowed, select, with_selection
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.display_text import local_text, size_text
from mailstack.queue.route import LOCAL
from mailstack.queue.selection import DeliverySelection
from mailstack.store import Record
from mailstack.store.journey_json import record_json, sender_text


@click.command("list")
@click.option("--by", type=click.Choice([*NAMES]), help="Count waiting deliveries by group and age.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_SCANNED), default=1000, show_default=True, help="Maximum number of letters."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_target
@with_selection()
def list_(target: TargetServer, selection: DeliverySelection, by: By | None, limit: int, as_json: bool) -> None:
    """List the waiting letters, newest first, with recipient, reason and next attempt.

    A pattern may have * and ?. With --by, the columns count deliveries by their age in minutes.

    \b
    Example:
      mailstack queue list --domain elsewhere.test --older 2h --reason "4.2.1"
      mailstack queue list --by destination
      mailstack queue list --json | jq -r 'select(.sender == "alice@home.test") | .id'
    """
    with OpenStore(target, only_reads=True) as server:
        records = select(server, selection, MAX_SCANNED if by else limit)
        conditions = server.run(server.store.delay_reasons.current(target.now())) if by else []
        rules = server.run(server.store.hold_rules.load()).rules if by else ()
    now = target.now()
    if by:
        groups = grouped(narrowed(records, selection), by, now)
        for group in groups if by == "destination" else ():
            if group.name != LOCAL:
                group.why = reason_of(group.name, group.hosts, conditions, rules, target)
        if as_json:
            for group in groups[:limit]:
                print_json(group.json(by))
        else:
            print_table(columns(by), [group.row(now) for group in groups[:limit]], empty="the queue is empty")
    elif as_json:
        for record in records:
            print_json(record_json(record))
    else:
        _print(narrowed(records, selection), now)


def _print(records: Sequence[Record], now: float) -> None:
    rows = [
        (
            record.letter.id,
            local_text(record.letter.arrival.at),
            sender_text(record.letter.envelope) or "<>",
            str(delivery.recipient.address),
            size_text(record.letter.content.size),
            str(delivery.attempts),
            due_text(delivery, now),
            last_word(delivery),
        )
        for record in records
        for delivery in record.deliveries
    ]
    print_table(
        ("id", "arrived", "from", "to", "size", "tries", "next", "last heard"), rows, empty="the queue is empty"
    )
