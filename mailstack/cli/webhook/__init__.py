"""Command group `mailstack webhook`."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": ("mailstack.cli.webhook.list:list_", "List the webhooks and their waiting messages."),
    "test": ("mailstack.cli.webhook.test:test", "Send a test message to a webhook."),
    "retry": ("mailstack.cli.webhook.retry:retry", "Retry waiting messages now."),
    "secret": ("mailstack.cli.webhook.secret:secret", "Add a new signing secret to a file."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def webhook() -> None:
    """Show, test and retry webhooks.

    Webhooks are configured as [[webhooks]].
    """
