"""Letters for measurements of a store, and what ends their deliveries."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.letter import Octets
from mailstack.store import Acceptance, Change, Placement, Settlement

SERVER = "mx.home.test"
MAILBOXES = 100
PATIENCE = 3600.0
TEXT = base64.encodebytes(random.Random(1).randbytes(2900)).replace(b"\n", b"\r\n")
"""4 KB that no database makes much smaller."""


def incoming(now: float, number: int, *, relayed: bool) -> Acceptance:
    """A letter of 4 KB that enters a mailbox here, or that is due for another host."""
    letter = new_letter_id(now)
    to = Recipient(Address("carol", "far.test") if relayed else Address(f"u{number % MAILBOXES}", "home.test"))
    delivery = Delivery(letter, 0, to, "far.test" if relayed else "local", due=now - 60)
    steps = [Step(letter, now, SERVER, "submitted", {"client": "192.0.2.7", "by": "alice@home.test"})]
    placements: tuple[Placement, ...] = ()
    if not relayed:
        delivery = replace(delivery, state=DeliveryState.DELIVERED, attempts=1)
        placements = (Placement(to.address.key, (letter, 0), b"Return-Path: <alice@home.test>\r\n", 4000, now),)
        steps.append(Step(letter, now, SERVER, "delivered", {"recipient": to.address.key}))
    arrival = Arrival(now, SERVER, "ESMTPSA")
    envelope = Envelope(Address("alice", "home.test"), (to,))
    return Acceptance(Letter(letter, envelope, Octets(TEXT), arrival), (delivery,), tuple(steps), placements)


def relayed(delivery: Delivery) -> Settlement:
    after = replace(delivery, state=DeliveryState.RELAYED, claimed_by=None)
    return Settlement((Change(delivery, after),), (), (Step(delivery.letter, time.time(), SERVER, "relayed", {}),))


def next_day(_: Delivery, arrived: float) -> float:
    """When a delivery that is claimed now would be due again."""
    return arrived + 86_400.0


def run_all(pump: Any, work: Sequence[Any]) -> None:
    """All at once, until each is done."""
    for waiting in [pump.start(each) for each in work]:
        while not waiting:
            pump._calls.get(timeout=PATIENCE)()
        if hasattr(waiting[0], "raiseException"):
            waiting[0].raiseException()
