"""Command `mailstack webhook retry`: immediate retry of waiting messages."""

from __future__ import annotations

import click

from mailstack.cli.errors import CommandError
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.cli.webhook.list import name_of


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@with_target
def retry(target: TargetServer, names: tuple[str, ...]) -> None:
    """Retry the waiting messages of these webhooks, or of all, now.

    A running server retries the oldest within a second, and after a success the rest.

    \b
    Example:
      mailstack webhook retry billing
    """
    with OpenStore(target) as server:
        targets = {name_of(each.target): each.target for each in server.run(server.store.outbox.backlogs())}
        for name in names:
            if name not in targets:
                raise CommandError(f"no messages wait for {name}; `mailstack webhook list` shows the waiting messages")
        now = target.now()
        wanted = [targets[name] for name in names or sorted(targets)]
        count = sum(server.run(server.store.outbox.retry_now(webhook, now)) for webhook in wanted)
    click.echo(f"retried now: {count}")
