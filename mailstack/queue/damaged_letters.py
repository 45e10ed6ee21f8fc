"""Hold of deliveries after damage to the content of their letter."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from mailstack.letter import Letter
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.step import Step
from mailstack.queue.settlement import StateChanges
from mailstack.store import Change, Damaged

MAX_TEXT = 500
"""Maximum number of characters of the reason."""


def hold_damaged(letter: Letter, deliveries: Sequence[Delivery], damage: Damaged, now: float) -> StateChanges:
    """Holds all deliveries until an operator has restored the content and releases them."""
    reason = f"the content is damaged in the store and was not sent: {damage}"[:MAX_TEXT]
    changes = [Change(delivery, _held(delivery, reason)) for delivery in deliveries]
    steps = [
        Step(
            letter.id,
            now,
            letter.arrival.server,
            "held",
            {"recipient": str(delivery.recipient.address), "by": "mailstack", "why": reason},
        )
        for delivery in deliveries
    ]
    return StateChanges(tuple(changes), (), tuple(steps), ())


def _held(delivery: Delivery, reason: str) -> Delivery:
    return replace(delivery, state=DeliveryState.HELD, claimed_by=None, lease=0.0, status=None, text=reason, host="")
