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
from mailstack.queue.schedule import RetrySchedule

_MIDDLE = 0.5
"""Jitter for the configured wait, without random variation."""


class Explanation(Struct, frozen=True):
    """Explanation of one delivery."""

    now: str
    """Current state and its reason."""
    then: str
    """Next event; empty if there is none."""
    next_attempt: float | None = None
    """Time of the next attempt, in seconds since 1970; None if none is planned."""


def explain(
    letter: Letter, delivery: Delivery, schedule: RetrySchedule, now: float, reasons: Sequence[Reason] = ()
) -> Explanation:
    """Explains a delivery at the time `now`; `reasons` come from its context."""
    match delivery.state:
        case DeliveryState.HELD:
            return _held(letter, delivery, schedule)
        case DeliveryState.QUEUED:
            return _queued(letter, delivery, schedule, now, {each.kind for each in reasons})
        case state:
            return Explanation(_ENDED[state], "")


_ENDED = {
    DeliveryState.DELIVERED: "It is in a local mailbox, and has not been collected yet.",
    DeliveryState.RELAYED: "Another host accepted it, and is responsible for it now.",
    DeliveryState.BOUNCED: "It failed permanently.",
    DeliveryState.COLLECTED: "It was collected.",
    DeliveryState.REMOVED: "An operator removed or redirected it.",
}


def _held(letter: Letter, delivery: Delivery, schedule: RetrySchedule) -> Explanation:
    why = delivery.text if delivery.status is None and delivery.text else "an operator holds it"
    end = released_at(letter) + schedule.give_up_after
    then = (
        f"Nothing, until `mailstack queue release {letter.id}`: then it is attempted at once. It doesn't expire"
        f" while it is held, but if an attempt after {local_text(end)} fails, it bounces."
    )
    return Explanation(f"Held: {why}.", then)


def _queued(
    letter: Letter, delivery: Delivery, schedule: RetrySchedule, now: float, kinds: Collection[str]
) -> Explanation:
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


def _why_then(letter: Letter, delivery: Delivery, schedule: RetrySchedule, now: float) -> str:
    """Reason for the time of the next attempt."""
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


def _then(letter: Letter, delivery: Delivery, schedule: RetrySchedule, now: float) -> str:
    """Events after another deferred attempt, in order of time."""
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


def _wait(schedule: RetrySchedule, attempts: int) -> float:
    return schedule.next_due(0.0, attempts, 0.0, _MIDDLE)
