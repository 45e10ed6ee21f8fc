"""Command group `mailstack queue`."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": ("mailstack.cli.queue.list:list_", "List the letters that wait: for whom, why, and until when."),
    "show": ("mailstack.cli.queue.show:show", "Explain one letter: every attempt, the next one, and why then."),
    "hold": ("mailstack.cli.queue.actions:hold", "Make no attempt for letters until they are released."),
    "release": ("mailstack.cli.queue.actions:release", "Let go on with letters that were held, at once."),
    "retry": ("mailstack.cli.queue.actions:retry", "Make the next attempt now, and not when it is due."),
    "remove": ("mailstack.cli.queue.actions:remove", "Take letters out of the queue; nobody gets them any more."),
    "redirect": ("mailstack.cli.queue.actions:redirect", "Send letters to another address instead."),
    "rule": ("mailstack.cli.queue.rules:rule", "Hold letters by sender, recipient or domain as they come."),
    "pause": ("mailstack.cli.queue.rules:pause", "Stop everything outward, or everything for one destination."),
    "resume": ("mailstack.cli.queue.rules:resume", "Take a pause back; what it held goes on."),
    "watch": ("mailstack.cli.queue.watch:watch", "Show what happens in the queue as it happens."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def queue() -> None:
    """See what waits and why; hold, release, retry, redirect or remove it.

    A running server sees a change within a second, and a stopped one when it starts.
    """
