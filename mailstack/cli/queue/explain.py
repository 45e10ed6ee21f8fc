"""Explanations in words: state and next attempt of a delivery."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from mailstack.cli.queue.context import Reason
from mailstack.letter import Letter
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.display_text import local_text, span_text
from mailstack.letter.time_parameters import deadline, released_at
from mailstack.queue.route import LOCAL
from mailstack.queue.schedule import Schedule

_MIDDLE = 0.5
"""A jitter that gives a wait as it is set."""


class Explanation(Struct, frozen=True):
    """One recipient, explained."""

    now: str
    """What the state is, and why."""
    then: str
    """What would happen next; empty when nothing will."""
    next_attempt: float | None = None
    """Seconds since 1970; None when none is planned."""


def explain(
    letter: Letter, delivery: Delivery, schedule: Schedule, now: float, reasons: Sequence[Reason] = ()
) -> Explanation:
    """Of a delivery, at the time `now`; `reasons` are what stands around it."""
    match delivery.state:
        case DeliveryState.HELD:
            return _held(letter, delivery, schedule)
        case DeliveryState.QUEUED:
            return _queued(letter, delivery, schedule, now, {each.kind for each in reasons})
        case state:
            return Explanation(_ENDED[state], "")


_ENDED = {
    DeliveryState.DELIVERED: "It rests in a mailbox here; its reader has not fetched it yet.",
    DeliveryState.RELAYED: "Another host took it, and answers for it now.",
    DeliveryState.BOUNCED: "It failed for good.",
    DeliveryState.COLLECTED: "Its reader has fetched it.",
    DeliveryState.REMOVED: "An operator took it out of the queue, or sent it elsewhere.",
}


def _held(letter: Letter, delivery: Delivery, schedule: Schedule) -> Explanation:
    why = delivery.text if delivery.status is None and delivery.text else "an operator holds it"
    end = released_at(letter) + schedule.give_up_after
    then = (
        f"Nothing, until `mailstack queue release {letter.id}`: then it is attempted at once. It doesn't grow too old"
        f" while it is held, but if an attempt after {local_text(end)} fails, it goes back to its sender."
    )
    return Explanation(f"Held: {why}.", then)


def _queued(letter: Letter, delivery: Delivery, schedule: Schedule, now: float, kinds: Collection[str]) -> Explanation:
    if delivery.claimed_by is not None and delivery.lease > now:
        doing = "in hand: it is under way, or waits for its turn" if "busy" in kinds else "under way"
        return Explanation(
            f"Attempt {delivery.attempts} is {doing}.",
            f"If it ends without an answer (a crash), the next one is at {local_text(max(delivery.due, now))}.",
            delivery.due,
        )
    number = delivery.attempts + 1
    if "in line" in kinds:
        return Explanation(
            f"Attempt {number} comes when its turn does, or is looked after at {local_text(delivery.due)} at the latest.",
            _then(letter, delivery, schedule, now),
            delivery.due,
        )
    when = (
        f"at {local_text(delivery.due)}, in {span_text(delivery.due - now)}"
        if delivery.due > now
        else "as soon as it can be"
    )
    return Explanation(
        f"Attempt {number} comes {when}: {_why_then(letter, delivery, schedule, now)}.",
        _then(letter, delivery, schedule, now),
        delivery.due,
    )


def _why_then(letter: Letter, delivery: Delivery, schedule: Schedule, now: float) -> str:
    """Why the next attempt is at its time."""
    if released_at(letter) > now:
        return f"its sender wants it to wait until {local_text(released_at(letter))}"
    by = deadline(letter)
    if by is not None and delivery.due == by.at:
        return "that is the time by which its sender wants it delivered"
    if delivery.due >= released_at(letter) + schedule.give_up_after:
        return "that is when it is given up, and one last attempt is made then"
    if delivery.due <= now:
        return "it is due, and waits for a free connection, or for the server to run"
    if not delivery.attempts:
        return "the first attempt could not be made at once"
    wait = _wait(schedule, delivery.attempts)
    longest = ", which is the longest wait" if wait >= schedule.longest else ""
    return (
        f"after attempt {delivery.attempts} the wait is about {span_text(wait)}{longest};"
        f" it begins with {span_text(schedule.first)} and doubles with each attempt, up to {span_text(schedule.longest)}"
    )


def _then(letter: Letter, delivery: Delivery, schedule: Schedule, now: float) -> str:
    """What happens if the next attempt is put off once more, in order of time."""
    born = released_at(letter)
    begins = max(delivery.due, now)
    end = born + schedule.give_up_after
    by = deadline(letter)
    if by is not None and by.returns:
        end = min(end, by.at)
    if begins >= end:
        return "If that attempt does not succeed, the letter goes back to its sender with a report."
    after = schedule.next_due(born, delivery.attempts + 1, begins, _MIDDLE)
    told = [f"If that is put off too, attempt {delivery.attempts + 2} comes about {local_text(after)}"]
    late = born + schedule.warn_after
    if delivery.destination != LOCAL and schedule.warn_after and not delivery.warned and letter.envelope.sender:
        told.append(f"the first attempt after {local_text(late)} that fails has the sender told of the delay")
    elif delivery.warned:
        told.append("the sender has been told of the delay")
    told.append(f"what still waits at {local_text(end)} goes back to its sender with a report")
    return "; ".join(told) + "."


def _wait(schedule: Schedule, attempts: int) -> float:
    return schedule.next_due(0.0, attempts, 0.0, _MIDDLE)
