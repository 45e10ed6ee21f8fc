"""What a rule held goes on when the rule is taken back."""

from __future__ import annotations

from mailstack.cli.queue.selection import MOST
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer
from mailstack.letter.delivery import DeliveryState
from mailstack.queue.admin import QueueAdmin
from mailstack.queue.hold_rules import is_held_by
from mailstack.store import Filter
from mailstack.store.hold_rules import HoldRule


def release_held(place: TargetServer, server: OpenStore, rule: HoldRule) -> int:
    """How many deliveries go on. Another rule that fits them too holds them again."""
    held = Filter(states=frozenset({DeliveryState.HELD}), limit=MOST)
    records = [
        record
        for record in server.run(server.store.records(held))
        if any(is_held_by(rule, delivery) for delivery in record.deliveries)
    ]
    operator = QueueAdmin(server.store, place.now, picks=lambda _, delivery: is_held_by(rule, delivery), known=records)
    acts = server.run(operator.release([record.letter.id for record in records], rule=rule.name))
    return sum(act.done for act in acts)
