"""`mailstack webhook test`: one message now, and what the receiver answers."""

from __future__ import annotations

from typing import Any

import click

from mailstack.cli.errors import Refused
from mailstack.cli.target import Place, at_place


@click.command()
@click.argument("name")
@at_place
def test(place: Place, name: str) -> None:
    """Post one message of the type "test" to a webhook, signed as others are, and say whether it is taken.

    \b
    Example:
      mailstack webhook test billing
    """
    import msgspec

    from mailstack.cli.reactor import run_reactor
    from mailstack.letter.timestamps import utc_text
    from mailstack.net.clock import ReactorClock
    from mailstack.queue.webhooks.dispatcher import NotTold
    from mailstack.server.wiring.webhooks import webhook
    from mailstack.store.memory import MemoryStore
    from mailstack.store.outbox_types import new_id

    configured = {str(each.name): each for each in (place.settings.webhooks if place.settings is not None else ())}
    if name not in configured:
        known = ", ".join(configured) or "none"
        raise Refused(f"there is no webhook {name}; configured here: {known}")
    settings = configured[name]

    async def post(reactor: Any) -> None:
        clock = ReactorClock(reactor)
        octets = msgspec.json.encode({"type": "test", "timestamp": utc_text(clock.now()), "data": {"webhook": name}})
        hook = webhook(settings, MemoryStore(), clock, reactor)
        try:
            await hook.post(new_id(), octets)
        finally:
            hook.close()

    try:
        run_reactor(post)
    except NotTold as trouble:
        raise Refused(f"{settings.url}: {trouble}") from trouble
    click.echo(f"{settings.url} took it")
