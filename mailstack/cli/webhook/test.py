"""Command `mailstack webhook test`: test message to one webhook."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from mailstack.cli.errors import CommandError
from mailstack.cli.reactor import run_reactor
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.timestamps import iso8601
from mailstack.net.clock import ReactorClock
from mailstack.queue.webhooks.dispatcher import SendFailed
from mailstack.server.wiring.webhooks import webhook_sink
from mailstack.store.outbox import new_id
from mailstack.store.sqlite_in_memory import InMemoryStore


@click.command()
@click.argument("name")
@with_target
def test(target: TargetServer, name: str) -> None:
    """Post one message of the type "test" to a webhook, signed as others are, and say whether it is taken.

    \b
    Example:
      mailstack webhook test billing
    """
    configured = {str(each.name): each for each in (target.settings.webhooks if target.settings is not None else ())}
    if name not in configured:
        known = ", ".join(configured) or "none"
        raise CommandError(f"there is no webhook {name}; configured here: {known}")
    settings = configured[name]

    async def post(reactor: Any) -> None:
        clock = ReactorClock(reactor)
        octets = msgspec.json.encode({"type": "test", "timestamp": iso8601(clock.now()), "data": {"webhook": name}})
        hook = webhook_sink(settings, InMemoryStore(), clock, reactor)
        try:
            await hook.post(new_id(), octets)
        finally:
            hook.close()

    try:
        run_reactor(post)
    except SendFailed as trouble:
        raise CommandError(f"{settings.url}: {trouble}") from trouble
    click.echo(f"{settings.url} took it")
