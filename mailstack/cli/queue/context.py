"""Delay reasons of a letter, with explanations in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from mailstack.accounts.directory import StoreDirectory
from mailstack.cli.runner import OpenStore, StoreRunner
from mailstack.cli.target import TargetServer
from mailstack.letter import Address, Letter
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.patterns import fits_domain
from mailstack.letter.time_parameters import deadline, released_at
from mailstack.letter.times import local_text, span_text
from mailstack.net.clock import ReactorClock
from mailstack.queue.hold_rules import HoldRules, describe
from mailstack.queue.recipient_routes import LOCAL, Router
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.server.wiring.runtime import routing_of
from mailstack.store import Record
from mailstack.store.delay_reasons import DelayReason
from mailstack.store.hold_rules import HoldRule


class Reason(Struct, frozen=True):
    """One reason why a letter waits, or for what happens next."""

    kind: Literal["in line", "busy", "down", "order", "tls"]
    text: str
    until: float | None = None
    """End of the delay, in seconds since 1970; None if unknown."""

    def json(self, until: str | None) -> dict[str, str | None]:
        return {"kind": self.kind, "text": self.text, "until": until}


class DelayContext(Struct, frozen=True):
    """Delay reasons of one server at one time."""

    conditions: tuple[DelayReason, ...] = ()
    lines: Mapping[int, str] = {}
    """Parked destinations by delivery number."""
    orders: Mapping[int, str] = {}
    """Hold reasons by delivery number."""
    target: TargetServer | None = None

    def reasons(self, letter: Letter, delivery: Delivery, steps: Sequence[Step]) -> list[Reason]:
        """Reasons of a waiting delivery, beyond its schedule; `steps` are those of the letter."""
        if delivery.state is not DeliveryState.QUEUED or delivery.destination == LOCAL:
            return []
        attempted = _last(steps, "attempted", delivery)
        found = [*self._turn(letter, delivery), *self._down(_last(steps, "routed", delivery))]
        if reason := self.orders.get(delivery.number):
            found.append(Reason("order", f"it will be held at its next attempt: {reason}"))
        if policy := attempted.get("policy"):
            found.append(Reason("tls", f"TLS with {attempted.get('host') or 'its host'}: {policy}"))
        return found

    def _turn(self, letter: Letter, delivery: Delivery) -> list[Reason]:
        """Waits for a free slot of the destination."""
        own = self.lines.get(delivery.number)
        name = own or destination_key(self.target, delivery.destination, letter.envelope.sender)
        texts = [f"; {each.text}" for each in self.conditions if each.kind == "busy" and each.name == name]
        if own:
            text = f"it waits for a free slot of {name}{''.join(texts)}"
            return [Reason("in line", text)]
        return [Reason("busy", f"{name} has no free slot{each}") for each in texts]

    def _down(self, routed: Mapping[str, Any]) -> list[Reason]:
        """Hosts of the last routing that are backed off."""
        candidates = [each for each in routed.get("candidates") or () if isinstance(each, Mapping)]
        hosts = {(each.get("address"), each.get("port")) for each in candidates}
        return [
            Reason("down", down_text(each), each.until)
            for each in self.conditions
            if each.kind == "down" and (each.facts.get("address"), each.facts.get("port")) in hosts
        ]


def down_text(condition: DelayReason) -> str:
    """Back-off of a host, in words."""
    until = "" if condition.until is None else f" until {local_text(condition.until)}"
    return f"{condition.name} is backed off{until}: {condition.text}"


def load_context(target: TargetServer, mail_server: OpenStore, record: Record) -> DelayContext:
    """Loads the delay reasons, parked destinations and hold rules of one letter."""
    conditions = mail_server.run(mail_server.store.delay_reasons.current(target.now()))
    lines = mail_server.run(mail_server.store.queue.parked_deliveries(record.letter.id))
    hold_rules = HoldRules(mail_server.store, allowed_domains=_allowed_domains(target))
    mail_server.run(hold_rules.refresh())
    orders = {each.number: mail_server.run(hold_rules.would_hold(record.letter, each)) for each in record.deliveries}
    return DelayContext(tuple(conditions), lines, orders, target)


def destination_key(target: TargetServer | None, destination: str, sender: Address | None) -> str:
    """Key of the destination, shared by destinations with the same hosts."""
    if target is None or target.settings is None:
        return destination
    return routing_of(target.settings).destination_key(destination, sender)


def reason_of(
    destination: str,
    hosts: Collection[str],
    conditions: Sequence[DelayReason],
    rules: Sequence[HoldRule],
    target: TargetServer,
) -> str:
    """Current delay reasons of a destination with these `hosts`; "" if unknown."""
    name = destination_key(target, destination, None)
    found = [describe(rule) for rule in rules if rule.kind == "pause" and fits_domain(rule.domain, destination)]
    found += [down_text(each) for each in conditions if each.kind == "down" and each.facts.get("host") in hosts]
    found += [each.text for each in conditions if each.kind == "busy" and each.name == name]
    return "; ".join(found)


def _allowed_domains(target: TargetServer) -> Sequence[str]:
    if target.settings is None or target.settings.relay.when_not_allowed != "hold":
        return ()
    return target.settings.relay.allowed_domains


def _last(steps: Sequence[Step], name: str, delivery: Delivery) -> Mapping[str, Any]:
    """Facts of the last step with this name for the recipient."""
    recipient = str(delivery.recipient.address)
    for step in reversed(steps):
        if step.step == name and recipient in (step.facts.get("recipients") or ()):
            return step.facts
    return {}


def clock() -> ReactorClock:
    """Clock for reading the time; a command has no reactor."""
    return ReactorClock(StoreRunner())  # type: ignore[arg-type]


def directory_of(target: TargetServer, server: OpenStore) -> StoreDirectory:
    """Directory of the local addresses."""
    settings = target.settings
    if settings is None:
        return StoreDirectory(server.store.accounts, target.domains, clock())
    delivery = settings.delivery
    return StoreDirectory(
        server.store.accounts,
        target.domains,
        clock(),
        postmaster=delivery.postmaster,
        administrators=settings.web.admins,
        subaddress=delivery.subaddress,
    )


def router_of(target: TargetServer, server: OpenStore) -> Router:
    return Router(directory_of(target, server))


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
            return _explain_held(letter, delivery, schedule)
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


def _explain_held(letter: Letter, delivery: Delivery, schedule: RetrySchedule) -> Explanation:
    reason = delivery.text if delivery.status is None and delivery.text else "an operator holds it"
    end = released_at(letter) + schedule.give_up_after
    then = (
        f"Nothing, until `mailstack queue release {letter.id}`: then it is attempted at once. It doesn't expire"
        f" while it is held, but if an attempt after {local_text(end)} fails, it bounces."
    )
    return Explanation(f"Held: {reason}.", then)


def _queued(
    letter: Letter, delivery: Delivery, schedule: RetrySchedule, now: float, kinds: Collection[str]
) -> Explanation:
    if delivery.claimed_by is not None and delivery.lease > now:
        doing = "in hand: it is under way, or waits for its turn" if "busy" in kinds else "under way"
        return Explanation(
            f"Attempt {delivery.attempts} is {doing}.",
            f"If the server crashes, the next one is at {local_text(max(delivery.due, now))}.",
            delivery.due,
        )
    number = delivery.attempts + 1
    if "in line" in kinds:
        return Explanation(
            f"Attempt {number} starts when a slot is free, and is checked again at {local_text(delivery.due)}.",
            _then(letter, delivery, schedule, now),
            delivery.due,
        )
    when = f"at {local_text(delivery.due)}, in {span_text(delivery.due - now)}" if delivery.due > now else "due now"
    return Explanation(
        f"Attempt {number} is {when}: {_due_reason(letter, delivery, schedule, now)}.",
        _then(letter, delivery, schedule, now),
        delivery.due,
    )


def _due_reason(letter: Letter, delivery: Delivery, schedule: RetrySchedule, now: float) -> str:
    """Reason for the time of the next attempt."""
    if released_at(letter) > now:
        return f"its sender delayed it until {local_text(released_at(letter))}"
    by = deadline(letter)
    if by is not None and delivery.due == by.at:
        return "its sender wants it delivered by that time"
    if delivery.due >= released_at(letter) + schedule.give_up_after:
        return "that is the last attempt before it bounces"
    if delivery.due <= now:
        return "it waits for a free connection or for the server to start"
    if not delivery.attempts:
        return "the first attempt could not start at once"
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
        return "If that attempt fails, the message bounces."
    after = schedule.next_due(born, delivery.attempts + 1, begins, _MIDDLE)
    events = [f"If that attempt is deferred, attempt {delivery.attempts + 2} is at about {local_text(after)}"]
    late = born + schedule.warn_after
    if delivery.destination != LOCAL and schedule.warn_after and not delivery.warned and letter.envelope.sender:
        events.append(f"the first deferral after {local_text(late)} sends a delay notice to the sender")
    elif delivery.warned:
        events.append("the sender has got a delay notice")
    events.append(f"if it still waits at {local_text(end)}, it bounces")
    return "; ".join(events) + "."


def _wait(schedule: RetrySchedule, attempts: int) -> float:
    return schedule.next_due(0.0, attempts, 0.0, _MIDDLE)
