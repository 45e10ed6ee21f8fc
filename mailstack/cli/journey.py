"""Command `mailstack journey`: steps of one letter."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from time import sleep as pause

import click

from mailstack.cli.argument_types import letter_id, unknown_letter
from mailstack.cli.output import print_json
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.step import Step
from mailstack.store.journey import Journey, journey_json, journey_of, step_json
from mailstack.store.journey_text import headline, journey_lines

INTERVAL = 0.5
"""Seconds between two polls of --follow."""


@click.command()
@click.argument("id")
@click.option("--follow", "-f", is_flag=True, help="Keep printing steps until the letter is finished.")
@click.option(
    "--dialogue", "-d", is_flag=True, help="Show the SMTP dialogue of every attempt, not only of failed ones."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document; with --follow one step a line.")
@with_target
def journey(target: TargetServer, id: str, follow: bool, dialogue: bool, as_json: bool) -> None:  # noqa: A002 - the argument's name in help
    """Show the journey of one letter, step by step, from submission to collection.

    ID is in the `250` reply, the log, `Received:` and `mailstack letters`. If the letter was relayed to another server
    of the same store, as in the dev environment, its steps there are included; the id of either server works.

    \b
    Example:
      mailstack journey 1kq2v7m4e80c3xz --follow
      mailstack journey 1kq2v7m4e80c3xz --json | jq -r '.steps[].step'
    """
    wanted = letter_id(id)
    with OpenStore(target, only_reads=True) as server:

        def look() -> Journey:
            found = server.run(journey_of(server.store, wanted))
            if found is None:
                raise unknown_letter(wanted)
            return found

        told = look()
        if as_json and not follow:
            print_json(journey_json(told))
            return
        if not as_json:
            click.echo(headline(told))
        printed = _print_new(told.steps, (), dialogue=dialogue, as_json=as_json)
        try:
            while follow and not told.ended:
                pause(INTERVAL)
                told = look()
                printed = _print_new(told.steps, printed, dialogue=dialogue, as_json=as_json)
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
