"""Command group `mailstack queue`."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": ("mailstack.cli.queue.list:list_", "List the waiting messages, with reason and next attempt."),
    "show": ("mailstack.cli.queue.list:show", "Explain one message: every attempt, and the next one."),
    "hold": ("mailstack.cli.queue.actions:hold", "Hold messages until they are released."),
    "release": ("mailstack.cli.queue.actions:release", "Release held messages, and attempt them at once."),
    "retry": ("mailstack.cli.queue.actions:retry", "Retry messages now."),
    "remove": ("mailstack.cli.queue.actions:remove", "Remove messages from the queue without delivery."),
    "redirect": ("mailstack.cli.queue.actions:redirect", "Send messages to another address instead."),
    "rule": ("mailstack.cli.queue.rules:rule", "Hold messages by sender, recipient or domain."),
    "pause": ("mailstack.cli.queue.rules:pause", "Pause all outbound messages, or those for one destination."),
    "resume": ("mailstack.cli.queue.rules:resume", "End a pause, and release what it held."),
    "watch": ("mailstack.cli.queue.watch:watch", "Show queue events as they happen."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def queue() -> None:
    """Show the queue; hold, release, retry, redirect or remove messages.

    A running server applies a change within a second, a stopped one when it starts.
    """
