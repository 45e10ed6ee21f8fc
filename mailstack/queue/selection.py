"""Which letters, and which of their recipients, a person means: every part that is set must fit."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter import Letter
from mailstack.letter.delivery import OWED, Delivery, DeliveryState
from mailstack.letter.patterns import NULL, fits_address, fits_domain
from mailstack.store import Filter


class Selection(Struct, frozen=True):
    """Patterns are those of `mailstack.letter.patterns`; empty: any."""

    sender: str = ""
    recipient: str = ""
    """Of the recipient as delivered to, or as the sender wrote him."""
    domain: str = ""
    """Of the recipient."""
    since: float | None = None
    """Arrived then or later, seconds since 1970."""
    until: float | None = None
    reason: str = ""
    """A part of what was heard last, or of its status, in whatever case."""
    states: frozenset[DeliveryState] = OWED

    @property
    def narrows(self) -> bool:
        """Whether anything but the state is asked for."""
        return any((self.sender, self.recipient, self.domain, self.reason)) or (self.since, self.until) != (None, None)

    def filter(self, limit: int) -> Filter:
        """What the store can sort out by itself; `takes` does the rest."""
        return Filter(
            sender="" if self.sender == NULL else _exact(self.sender),
            recipient=_exact(self.recipient),
            since=self.since,
            until=self.until,
            states=self.states,
            limit=limit,
        )

    def takes(self, letter: Letter, delivery: Delivery) -> bool:
        """Whether this recipient of the letter is meant."""
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
    """An address that the store can look up; None for a pattern of several, or none."""
    return None if not pattern or "*" in pattern or "?" in pattern or pattern == NULL else pattern
