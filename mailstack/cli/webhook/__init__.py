"""Command group `mailstack webhook`."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": ("mailstack.cli.webhook.list:list_", "List them with what waits, or what waits itself."),
    "test": ("mailstack.cli.webhook.test:test", "Post one message now, and say what the receiver answers."),
    "retry": ("mailstack.cli.webhook.retry:retry", "Tell at once what waits."),
    "secret": ("mailstack.cli.webhook.secret:secret", "Write a new secret on top of a file."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def webhook() -> None:
    """See which programs are told what becomes of letters, and what still waits for them.

    They are configured as [[webhooks]].
    """
