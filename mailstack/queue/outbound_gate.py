"""Outbound gate before the relay: allowed domains and suppressed addresses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, Deferred, Delivered, Failed, Letter, Outcome, Status
from mailstack.letter.delivery import Delivery
from mailstack.letter.patterns import fits_any_domain
from mailstack.letter.trace import delivered_to, handover_field, return_path
from mailstack.protocols.connection import Clock
from mailstack.queue.attempt import Agent, Attempt, ProgressWatch
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.recipient_routes import LocalAddresses
from mailstack.store import Store, StoreError
from mailstack.store.hold_rules import Suppression

_log = logging.getLogger(__name__)

NOT_ALLOWED = Status(5, 7, 1)
_TAKEN = Status(2, 1, 5)
_NO_CAPTURE = Status(4, 3, 5)
_MAX_TEXT = 300

WhenNotAllowed = Literal["hold", "capture", "refuse"]


class OutboundRules(Struct, frozen=True):
    """Settings of the gate, from [relay]."""

    allowed_domains: tuple[str, ...] = ()
    """Patterns of the only domains that letters may go to; empty: any."""
    when_not_allowed: WhenNotAllowed = "hold"
    """Reaction to letters for other domains; `HoldRules` implements "hold"."""
    capture_to: Address | None = None
    """Address of the local account that gets captured letters."""
    suppress_bounced: bool = False
    """Whether an address is suppressed after a bounce for a missing mailbox."""

    def allows(self, domain: str) -> bool:
        """Whether letters may go to a domain, in lower case and A-labels."""
        return not self.allowed_domains or fits_any_domain(self.allowed_domains, domain)


class OutboundGate:
    """Agent that passes allowed deliveries to the relay, and fails, defers or captures all other deliveries."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        relay: Agent,
        store: Store,
        hold_rules: HoldRules,
        directory: LocalAddresses,
        server: str,
        clock: Clock,
        rules: OutboundRules,
    ) -> None:
        self._relay = relay
        self._store = store
        self._hold_rules = hold_rules
        self._directory = directory
        self._server = server
        self._clock = clock
        self._rules = rules

    async def deliver(
        self, letter: Letter, deliveries: tuple[Delivery, ...], watch: ProgressWatch | None = None, /
    ) -> Attempt:
        """Like `Agent.deliver`; a gate without rules calls the relay directly."""
        if self._rules.allowed_domains or self._hold_rules.has_suppressions:
            attempt = await self._filter(letter, deliveries, watch)
        else:
            attempt = await self._relay.deliver(letter, deliveries, watch)
        if self._rules.suppress_bounced:
            await self._suppress_dead(deliveries, attempt.outcomes)
        return attempt

    async def _filter(self, letter: Letter, deliveries: Sequence[Delivery], watch: ProgressWatch | None) -> Attempt:
        outcomes = dict(await self._suppressed(deliveries))
        for delivery in deliveries:
            if not self._rules.allows(delivery.destination):
                outcomes[delivery.number] = await self._not_allowed(letter, delivery)
        allowed = tuple([one for one in deliveries if one.number not in outcomes])
        attempt = await self._relay.deliver(letter, allowed, watch) if allowed else Attempt(())
        outcomes |= {one.number: outcome for one, outcome in zip(allowed, attempt.outcomes, strict=True)}
        return replace(attempt, outcomes=tuple([outcomes[one.number] for one in deliveries]))

    async def _not_allowed(self, letter: Letter, delivery: Delivery) -> Outcome:
        reason = f"[relay] allowed_domains of {self._server} does not name {delivery.destination}"
        to = self._rules.capture_to
        if self._rules.when_not_allowed != "capture" or to is None:
            return Failed(NOT_ALLOWED, f"this system sends no mail there: {reason}")
        try:
            mailbox = await self._directory.mailbox(to)
        except StoreError as trouble:
            return Deferred(_NO_CAPTURE, f"the local accounts can't be read: {trouble}")
        if mailbox is None:
            return Deferred(_NO_CAPTURE, f"{reason}, and there is no account {to} ([relay] capture_to)")
        address = delivery.recipient.address
        headers = return_path(letter.envelope.sender) + delivered_to(address)
        headers += handover_field(self._server, letter.id, address, self._clock.now())
        return Delivered(_TAKEN, f"captured: {reason}", "", mailbox, headers)

    async def _suppressed(self, deliveries: Sequence[Delivery]) -> dict[int, Outcome]:
        """Outcomes of deliveries to suppressed addresses."""
        if not self._hold_rules.has_suppressions:
            return {}
        try:
            found = await self._store.suppressions.lookup([one.recipient.address.key for one in deliveries])
        except StoreError as trouble:
            _log.warning("suppressed addresses can't be read: %s", trouble)
            return {one.number: Deferred(Status(4, 3, 0), "local error; tried again later") for one in deliveries}
        return {
            one.number: Failed(
                NOT_ALLOWED, f"no mail is sent to {one.recipient.address} any more: {suppression.reason}"
            )
            for one in deliveries
            if (suppression := found.get(one.recipient.address.key)) is not None
        }

    async def _suppress_dead(self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> None:
        suppressions = [
            Suppression(one.recipient.address.key, f"it bounced: {outcome.text}"[:_MAX_TEXT], self._clock.now())
            for one, outcome in zip(deliveries, outcomes, strict=True)
            if isinstance(outcome, Failed) and outcome.host and is_dead_address(outcome.status)
        ]
        if suppressions:
            try:
                await self._store.suppressions.add(suppressions)
            except StoreError as trouble:
                _log.warning("addresses that bounced can't be suppressed: %s", trouble)


def is_dead_address(status: Status) -> bool:
    """Whether the address does not exist (RFC 3463 §3.2: 5.1.1, 5.1.6) or is disabled (5.2.1)."""
    return (status.subject, status.detail) in {(1, 1), (1, 6), (2, 1)}
