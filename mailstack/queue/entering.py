"""How a letter enters the queue: its deliveries, claimed already where we attempt them at once, and its first steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from mailstack.journey import Step, StepName
from mailstack.letter import Address, Letter
from mailstack.queue.delivery import Delivery, DeliveryState
from mailstack.queue.route import LOCAL, Route
from mailstack.queue.schedule import Schedule
from mailstack.store import Acceptance


@frozen
class FirstClaim:
    """The claim that a letter enters with, so that its first attempt needs no query."""

    owner: str
    lease: float
    """Until when it holds, seconds since 1970."""
    due: float
    """When the second attempt is, set before the first is made."""

    @classmethod
    def of(cls, owner: str, schedule: Schedule, lease: float, now: float, jitter: float) -> FirstClaim:
        """For a letter that arrives `now`; `lease` is in seconds."""
        return cls(owner, now + lease, schedule.next_due(now, 1, now, jitter))


def enter(
    letter: Letter,
    routes: Sequence[Route],
    step: StepName,
    facts: Mapping[str, Any],
    *,
    now: float,
    claim: FirstClaim | None,
    has_room: Callable[[str], bool] = lambda _: True,
) -> Acceptance:
    """What the store shall accept. Deliveries are claimed if `claim` is given and their destination has room."""
    deliveries = []
    for number, route in enumerate(routes):
        if claim is not None and has_room(route.destination):
            due, attempts, owner, lease = claim.due, 1, claim.owner, claim.lease
        else:
            due, attempts, owner, lease = now, 0, None, 0.0
        deliveries.append(
            Delivery(
                letter.id, number, route.recipient, route.destination, DeliveryState.QUEUED, due, attempts, owner, lease
            )
        )
    office = letter.arrival.office
    steps = [Step(letter.id, now, office, step, {**_arrival_facts(letter), **facts})]
    steps += [Step(letter.id, now, office, "routed", facts) for facts in _routed_facts(routes)]
    return Acceptance(letter, tuple(deliveries), tuple(steps))


def _arrival_facts(letter: Letter) -> dict[str, Any]:
    """What explains how the letter came; only what there is."""
    arrival, envelope = letter.arrival, letter.envelope
    facts: dict[str, Any] = {
        "sender": "" if envelope.sender is None else str(envelope.sender),
        "recipients": [str(recipient.address) for recipient in envelope.recipients],
        "size": letter.content.size,
        "protocol": arrival.protocol,
    }
    if arrival.remote is not None:
        facts["client"] = arrival.remote.host
        facts["helo"] = arrival.helo
    if arrival.account is not None:
        facts["by"] = arrival.account
        facts["mechanism"] = arrival.mechanism
    if arrival.tls is not None:
        facts["tls"] = {"version": arrival.tls.version, "cipher": arrival.tls.cipher}
    return facts


def _routed_facts(routes: Sequence[Route]) -> list[dict[str, Any]]:
    """One for each mailbox here that the sender named, and one for each alias. The relay tells its ways itself."""
    told: list[dict[str, Any]] = []
    aliases: dict[Address, list[str]] = {}
    for route in routes:
        recipient = route.recipient
        if recipient.original is not None:
            aliases.setdefault(recipient.original, []).append(str(recipient.address))
        elif route.mailbox is not None:
            told.append({"recipient": str(recipient.address), "via": "mailbox", "mailbox": route.mailbox})
        elif route.destination == LOCAL:
            told.append({"recipient": str(recipient.address), "via": "mailbox", "why": "no mailbox has this address"})
    told += [{"recipient": str(alias), "via": "alias", "targets": targets} for alias, targets in aliases.items()]
    return told
