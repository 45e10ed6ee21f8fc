"""Delay reasons of a letter: running server, hold rules, last attempt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer
from mailstack.letter import Address, Letter
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.display_text import local_text
from mailstack.letter.patterns import fits_domain
from mailstack.letter.step import Step
from mailstack.queue.hold_rules import HoldRules, describe
from mailstack.queue.route import LOCAL
from mailstack.server.wiring.routing import routing_of
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
        if why := self.orders.get(delivery.number):
            found.append(Reason("order", f"it will be held at its next attempt: {why}"))
        if policy := attempted.get("policy"):
            found.append(Reason("tls", f"TLS with {attempted.get('host') or 'its host'}: {policy}"))
        return found

    def _turn(self, letter: Letter, delivery: Delivery) -> list[Reason]:
        """Waits for a free slot of the destination."""
        own = self.lines.get(delivery.number)
        name = own or destination_key(self.target, delivery.destination, letter.envelope.sender)
        told = [f"; {each.text}" for each in self.conditions if each.kind == "busy" and each.name == name]
        if own:
            text = f"it waits for a free slot of {name}{''.join(told)}"
            return [Reason("in line", text)]
        return [Reason("busy", f"{name} has no free slot{each}") for each in told]

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
    lines = mail_server.run(mail_server.store.lines_of(record.letter.id))
    standing = HoldRules(mail_server.store, allowed_domains=_allowed_domains(target))
    mail_server.run(standing.refresh())
    orders = {each.number: mail_server.run(standing.would_hold(record.letter, each)) for each in record.deliveries}
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
