"""Command group `mailstack queue`."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": ("mailstack.cli.queue.list:list_", "List the waiting letters, with reason and next attempt."),
    "show": ("mailstack.cli.queue.list:show", "Explain one letter: every attempt, and the next one."),
    "hold": ("mailstack.cli.queue.actions:hold", "Hold letters until they are released."),
    "release": ("mailstack.cli.queue.actions:release", "Release held letters, and attempt them at once."),
    "retry": ("mailstack.cli.queue.actions:retry", "Retry letters now."),
    "remove": ("mailstack.cli.queue.actions:remove", "Remove letters from the queue without delivery."),
    "redirect": ("mailstack.cli.queue.actions:redirect", "Send letters to another address instead."),
    "rule": ("mailstack.cli.queue.rules:rule", "Hold letters by sender, recipient or domain."),
    "pause": ("mailstack.cli.queue.rules:pause", "Pause all outbound letters, or those for one destination."),
    "resume": ("mailstack.cli.queue.rules:resume", "End a pause, and release what it held."),
    "watch": ("mailstack.cli.queue.watch:watch", "Show queue events as they happen."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def queue() -> None:
    """Show the queue; hold, release, retry, redirect or remove letters.

    A running server applies a change within a second, a stopped one when it starts.
    """
