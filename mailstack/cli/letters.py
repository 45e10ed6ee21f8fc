"""Commands `mailstack letters` and `journey`: newest letters, and the steps of one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from time import sleep as pause

import click

from mailstack.cli.argument_types import Since, When, address, letter_id, unknown_letter
from mailstack.cli.output import print_json, print_table, whereabouts
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.delivery import Step
from mailstack.letter.times import local_text, size_text
from mailstack.store import Filter
from mailstack.store.journey import (
    Journey,
    headline,
    journey_json,
    journey_lines,
    journey_of,
    recipient_texts,
    record_json,
    sender_text,
    step_json,
)


@click.command()
@click.option("--to", "recipient", metavar="ADDRESS", help="Only messages for this recipient, before or after aliases.")
@click.option(
    "--from", "sender", metavar="ADDRESS", help="Only messages from this envelope sender; <> is the null sender."
)
@click.option("--since", type=Since(), metavar="WHEN", help="Only messages newer than this: 30m, 2h, 7d, 2026-11-23.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Maximum number of messages."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_target
def letters(
    target: TargetServer, recipient: str | None, sender: str | None, since: When | None, limit: int, as_json: bool
) -> None:
    """List the newest messages: id, from, to, size, and where each is now.

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
        records = server.run(server.store.history.records(which))
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
    print_table(("id", "arrived", "server", "from", "to", "size", "state"), rows, empty="no messages match")


def _sender_key(text: str | None, target: TargetServer) -> str | None:
    if text is None:
        return None
    return "" if text in ("", "<>") else address(text, target.domains).key


INTERVAL = 0.5
"""Seconds between two polls of --follow."""


@click.command()
@click.argument("id")
@click.option("--follow", "-f", is_flag=True, help="Keep printing steps until the message is finished.")
@click.option(
    "--dialogue", "-d", is_flag=True, help="Show the SMTP dialogue of every attempt, not only of failed ones."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document; with --follow one step a line.")
@with_target
def journey(target: TargetServer, id: str, follow: bool, dialogue: bool, as_json: bool) -> None:  # noqa: A002 - the argument's name in help
    """Show the journey of one message, step by step, from submission to collection.

    ID is in the `250` reply, the log, `Received:` and `mailstack letters`. If the message was relayed to another server
    of the same store, as in the dev environment, its steps there are included; the id of either server works.

    \b
    Example:
      mailstack journey 1kq2v7m4e80c3xz --follow
      mailstack journey 1kq2v7m4e80c3xz --json | jq -r '.steps[].step'
    """
    letter = letter_id(id)
    with OpenStore(target, only_reads=True) as server:

        def load_journey() -> Journey:
            found = server.run(journey_of(server.store, letter))
            if found is None:
                raise unknown_letter(letter)
            return found

        current = load_journey()
        if as_json and not follow:
            print_json(journey_json(current))
            return
        if not as_json:
            click.echo(headline(current))
        printed = _print_new(current.steps, (), dialogue=dialogue, as_json=as_json)
        try:
            while follow and not current.ended:
                pause(INTERVAL)
                current = load_journey()
                printed = _print_new(current.steps, printed, dialogue=dialogue, as_json=as_json)
        except KeyboardInterrupt:
            return


def _print_new(steps: Sequence[Step], printed: Collection[Step], *, dialogue: bool, as_json: bool) -> Sequence[Step]:
    """Prints the steps that are not in `printed`; returns all steps."""
    new = [step for step in steps if step not in printed]
    if as_json:
        for step in new:
            print_json(step_json(step))
    else:
        for line in journey_lines(new, dialogue=dialogue):
            click.echo(line)
    return steps
