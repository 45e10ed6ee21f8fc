"""Selection of deliveries by pattern, time and reason."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter import Letter
from mailstack.letter.delivery import OWED, Delivery, DeliveryState
from mailstack.letter.patterns import NULL, fits_address, fits_domain
from mailstack.store import Filter


class DeliverySelection(Struct, frozen=True):
    """Criteria, all of which must match. Patterns are those of `mailstack.letter.patterns`; empty: any."""

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
        """Whether this delivery of the letter is selected."""
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
