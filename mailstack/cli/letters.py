"""Command `mailstack letters`: newest letters and their states."""

from __future__ import annotations

import click

from mailstack.cli.argument_types import Since, When, address
from mailstack.cli.output import print_json, print_table, whereabouts
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.display_text import local_text, size_text
from mailstack.store import Filter
from mailstack.store.journey import recipient_texts, record_json, sender_text


@click.command()
@click.option("--to", "recipient", metavar="ADDRESS", help="Only letters for this recipient, before or after aliases.")
@click.option(
    "--from", "sender", metavar="ADDRESS", help="Only letters from this envelope sender; <> is the null sender."
)
@click.option("--since", type=Since(), metavar="WHEN", help="Only letters newer than this: 30m, 2h, 7d, 2026-11-23.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Maximum number of letters."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_target
def letters(
    target: TargetServer, recipient: str | None, sender: str | None, since: When | None, limit: int, as_json: bool
) -> None:
    """List the newest letters: id, from, to, size, and where each is now.

    \b
    Example:
      mailstack letters --to bob@home.test --since 2h
      mailstack letters --json | jq -r 'select(.state == "bounced") | .id'
    """
    which = Filter(
        sender=_sender_key(sender, target),
        recipient=address(recipient, target.domains).key if recipient is not None else None,
        since=None if since is None else since.at(target.now()),
        limit=limit,
    )
    with OpenStore(target, only_reads=True) as server:
        records = server.run(server.store.records(which))
    if as_json:
        for record in records:
            print_json(record_json(record))
        return
    rows = [
        (
            record.letter.id,
            local_text(record.letter.arrival.at),
            record.letter.arrival.server,
            sender_text(record.letter.envelope) or "<>",
            "\n".join(recipient_texts(record)),
            size_text(record.letter.content.size),
            whereabouts(record),
        )
        for record in records
    ]
    print_table(("id", "arrived", "server", "from", "to", "size", "state"), rows, empty="no letters match")


def _sender_key(text: str | None, target: TargetServer) -> str | None:
    if text is None:
        return None
    return "" if text in ("", "<>") else address(text, target.domains).key
