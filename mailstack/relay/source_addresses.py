"""Source addresses and EHLO names, by sender and destination."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mailstack.letter import Address
from mailstack.letter.patterns import fits_address, fits_any_domain
from mailstack.protocols.connection import Source


class SourceAddress(Struct, frozen=True):
    """Source address and EHLO name of outgoing connections."""

    source: Source = Source()
    ehlo_name: str = ""
    """Name in EHLO; empty: the default one."""

    @property
    def label(self) -> str:
        """Unique label, for destination keys and people."""
        return " ".join([part for part in (self.ehlo_name, self.source.four, self.source.six) if part])

    def calls(self, host: str) -> bool:
        """Whether there is a source address of the host's family; without any, all hosts may be called."""
        own = self.source.six if ":" in host else self.source.four
        return bool(own) or not (self.source.four or self.source.six)


class SourceRule(Struct, frozen=True):
    """Source address of letters that match both lists."""

    origin: SourceAddress
    senders: tuple[str, ...] = ()
    """Patterns of addresses (`mailstack.letter.patterns`); empty: any, the null reverse-path too."""
    domains: tuple[str, ...] = ()
    """Patterns of the recipients' domains; empty: any."""

    def fits(self, sender: Address | None, destination: str) -> bool:
        by_sender = not self.senders or any(fits_address(pattern, sender) for pattern in self.senders)
        return by_sender and (not self.domains or fits_any_domain(self.domains, destination.lower().rstrip(".")))


def find_origin(rules: Sequence[SourceRule], sender: Address | None, destination: str) -> SourceAddress | None:
    """The source address of the first rule that matches; None if there is none."""
    return next((rule.origin for rule in rules if rule.fits(sender, destination)), None)
