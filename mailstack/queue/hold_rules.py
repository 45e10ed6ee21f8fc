"""Hold and pause rules, and selections of deliveries by pattern, time and reason.

A hold rule matches by sender, recipient and domain. A pause matches every delivery to other hosts of a domain. A
delivery that an operator released by name is held again only by newer rules. A release never overrides `[relay]
allowed_domains`, so that a staging system can't send to customers by mistake.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Letter
from mailstack.letter.delivery import OWED, Delivery, DeliveryState, Step
from mailstack.letter.patterns import NULL, fits_address, fits_any_domain, fits_domain
from mailstack.queue.recipient_routes import LOCAL
from mailstack.store import Change, Filter, Store, StoreError
from mailstack.store.hold_rules import HoldRule, HoldRuleSet

_log = logging.getLogger(__name__)


class HoldResult(Struct, frozen=True):
    """Deliveries that are held, and the steps for their journeys."""

    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()


class HoldRules:
    """The stored rules, as last read."""

    def __init__(self, store: Store, *, allowed_domains: Sequence[str] = ()) -> None:
        """`allowed_domains` are patterns of domains to relay to; letters to other domains are held. Empty: no limit."""
        self._store = store
        self._allowed_domains = tuple(allowed_domains)
        self._rule_set = HoldRuleSet()

    @property
    def active(self) -> bool:
        """Whether there is any rule."""
        return bool(self._rule_set.rules or self._allowed_domains)

    @property
    def has_suppressions(self) -> bool:
        """Whether there are suppressed addresses."""
        return self._rule_set.suppressing

    async def refresh(self) -> None:
        """Reads the rules again, because other processes change them. Raises StoreError."""
        self._rule_set = await self._store.hold_rules.load()

    def hold_entering(self, letter: Letter, deliveries: Sequence[Delivery], now: float) -> HoldResult:
        """Holds the first deliveries of a letter that match a rule."""
        return _hold_result(letter, [(one, next(iter(self._reasons(letter, one)), None)) for one in deliveries], now)

    async def hold_due(self, letter: Letter, deliveries: Sequence[Delivery], now: float) -> HoldResult:
        """Holds due deliveries that match a rule; their current attempt is not counted."""
        found = [(one, self._reasons(letter, one)) for one in deliveries]
        released = {str(one.recipient.address): at for one in deliveries if (at := one.released_at) is not None}
        may_be_released = any(
            reason.rule is not None and str(one.recipient.address) not in released
            for one, reasons in found
            for reason in reasons
        )
        if may_be_released:
            released = {**await self._released(letter), **released}
        return _hold_result(
            letter, [(one, _first(reasons, released.get(str(one.recipient.address)))) for one, reasons in found], now
        )

    async def would_hold(self, letter: Letter, delivery: Delivery) -> str:
        """Reason why the delivery would be held if it were due now; empty if it would be attempted."""
        reasons = self._reasons(letter, delivery)
        released = await self._released(letter) if reasons else {}
        reason = _first(reasons, released.get(str(delivery.recipient.address)))
        return "" if reason is None else reason.text

    def _reasons(self, letter: Letter, delivery: Delivery) -> list[_HoldReason]:
        if delivery.state is not DeliveryState.QUEUED:
            return []
        found = [_HoldReason(describe(rule), rule) for rule in self._rule_set.rules if matches(rule, letter, delivery)]
        if (
            self._allowed_domains
            and delivery.destination != LOCAL
            and not fits_any_domain(self._allowed_domains, delivery.destination)
        ):
            found.insert(
                0,
                _HoldReason(f"[relay] allowed_domains does not name {delivery.destination}, so nothing is sent there"),
            )
        return found

    async def _released(self, letter: Letter) -> dict[str, float]:
        """Times at which recipients of the letter were released by name, in seconds since 1970."""
        try:
            steps = await self._store.history.steps(letter.id)
        except StoreError as trouble:
            _log.warning("message %s is held, though it may have been released: %s", letter.id, trouble)
            return {}
        # A delivery that was released by the end of a rule may be held by other rules.
        by_name = [step for step in steps if step.step == "released" and not step.facts.get("rule")]
        return {str(step.facts.get("recipient")): step.at for step in by_name}


class _HoldReason(Struct, frozen=True):
    text: str
    rule: HoldRule | None = None


def _first(reasons: Sequence[_HoldReason], released: float | None) -> _HoldReason | None:
    """The first reason that applies in spite of the release."""
    return next(
        (reason for reason in reasons if released is None or reason.rule is None or reason.rule.created > released),
        None,
    )


def matches(rule: HoldRule, letter: Letter, delivery: Delivery) -> bool:
    if rule.kind == "pause":
        return delivery.destination != LOCAL and fits_domain(rule.domain, delivery.destination)
    recipient = delivery.recipient
    addresses = [recipient.address] if recipient.original is None else [recipient.address, recipient.original]
    return (
        (not rule.sender or fits_address(rule.sender, letter.envelope.sender))
        and (not rule.recipient or any(fits_address(rule.recipient, each) for each in addresses))
        and (not rule.domain or any(fits_domain(rule.domain, each.ascii_domain.lower()) for each in addresses))
    )


def pause_scope(destination: str) -> str:
    """Deliveries that a pause of this destination holds; `*` is every destination."""
    return "outbound delivery" if destination == "*" else f"delivery to {destination}"


@lru_cache(maxsize=1024)  # the same for every letter
def describe(rule: HoldRule) -> str:
    """Text of a delivery that the rule holds."""
    # In UTC, so that all processes write the same text.
    since = f"since {datetime.fromtimestamp(rule.created, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if rule.kind == "pause":
        return f"{pause_scope(rule.domain)} is paused {since}"
    parts = {"sender": rule.sender, "recipient": rule.recipient, "domain": rule.domain}
    criteria = ", ".join(f"{name} {pattern}" for name, pattern in parts.items() if pattern)
    return f"held by rule {rule.name} ({criteria})"


def is_held_by(rule: HoldRule, delivery: Delivery) -> bool:
    """Whether this rule holds a delivery. Replies of other hosts have a status, and can't be mistaken for its text."""
    is_held = delivery.state is DeliveryState.HELD and delivery.status is None and not delivery.host
    return is_held and delivery.text == describe(rule)


def _hold_result(letter: Letter, found: Sequence[tuple[Delivery, _HoldReason | None]], now: float) -> HoldResult:
    changes, steps = [], []
    for delivery, reason in found:
        if reason is None:
            continue
        attempts = delivery.attempts - 1 if delivery.claimed_by is not None else delivery.attempts
        changes.append(Change(delivery, stopped(delivery, reason.text, attempts)))
        by = (
            "[relay] allowed_domains"
            if reason.rule is None
            else f"{'rule ' if reason.rule.kind == 'hold' else ''}{reason.rule.name}"
        )
        facts = {"recipient": str(delivery.recipient.address), "by": by, "why": reason.text}
        steps.append(Step(letter.id, now, letter.arrival.server, "held", facts))
    return HoldResult(tuple(changes), tuple(steps))


def stopped(delivery: Delivery, reason: str, attempts: int) -> Delivery:
    delivery = replace(delivery, state=DeliveryState.HELD, attempts=attempts, claimed_by=None, lease=0.0)
    return replace(delivery, status=None, text=reason, host="")


class DeliverySelection(Struct, frozen=True):
    """Criteria, all of which must match. Patterns: see `mailstack.letter.patterns`; empty: any."""

    sender: str = ""
    recipient: str = ""
    """Pattern of the recipient, final or original."""
    domain: str = ""
    """Pattern of the recipient's domain."""
    since: float | None = None
    """Earliest time of arrival, seconds since 1970."""
    until: float | None = None
    """Latest time of arrival, seconds since 1970."""
    reason: str = ""
    """Part of the last reply or of its status, in any case."""
    states: frozenset[DeliveryState] = OWED

    @property
    def narrows(self) -> bool:
        """Whether there is any criterion but the state."""
        return any((self.sender, self.recipient, self.domain, self.reason)) or (self.since, self.until) != (None, None)

    def filter(self, limit: int) -> Filter:
        """The criteria that the store can apply; `matches` applies all of them."""
        return Filter(
            sender="" if self.sender == NULL else _exact(self.sender),
            recipient=_exact(self.recipient),
            since=self.since,
            until=self.until,
            states=self.states,
            limit=limit,
        )

    def matches(self, letter: Letter, delivery: Delivery) -> bool:
        recipient = delivery.recipient
        addresses = [recipient.address] if recipient.original is None else [recipient.address, recipient.original]
        domains = [each.ascii_domain.lower() for each in addresses]
        arrived = letter.arrival.at
        return (
            delivery.state in self.states
            and (not self.sender or fits_address(self.sender, letter.envelope.sender))
            and (not self.recipient or any(fits_address(self.recipient, each) for each in addresses))
            and (not self.domain or any(fits_domain(self.domain, each) for each in domains))
            and (self.since is None or arrived >= self.since)
            and (self.until is None or arrived <= self.until)
            and (not self.reason or self.reason.casefold() in f"{delivery.status or ''} {delivery.text}".casefold())
        )


def _exact(pattern: str) -> str | None:
    """The address that the store can look up; None for a wildcard pattern or an empty one."""
    return None if not pattern or "*" in pattern or "?" in pattern or pattern == NULL else pattern
