"""From where, and under which name, hosts are called: by the sender of a letter and the domain it goes to."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mailstack.letter import Address
from mailstack.letter.patterns import fits_address, fits_any_domain
from mailstack.protocols.connection import Source


class SourceAddress(Struct, frozen=True):
    """Where letters come from, as other hosts see it."""

    source: Source = Source()
    ehlo_name: str = ""
    """What EHLO says; empty: as everywhere else."""

    @property
    def label(self) -> str:
        """What tells it from others, for lines and people."""
        return " ".join([part for part in (self.ehlo_name, self.source.four, self.source.six) if part])

    def calls(self, host: str) -> bool:
        """Whether an address is of a family that it has an address of its own for; one without any calls all."""
        own = self.source.six if ":" in host else self.source.four
        return bool(own) or not (self.source.four or self.source.six)


class SourceRule(Struct, frozen=True):
    """Which letters have an origin: those that fit both lists."""

    origin: SourceAddress
    senders: tuple[str, ...] = ()
    """Patterns of addresses (`mailstack.letter.patterns`); empty: any, the null reverse-path too."""
    domains: tuple[str, ...] = ()
    """Patterns of the recipients' domains; empty: any."""

    def fits(self, sender: Address | None, destination: str) -> bool:
        by_sender = not self.senders or any(fits_address(pattern, sender) for pattern in self.senders)
        return by_sender and (not self.domains or fits_any_domain(self.domains, destination.lower().rstrip(".")))


def find_origin(rules: Sequence[SourceRule], sender: Address | None, destination: str) -> SourceAddress | None:
    """That of the first rule that fits; None when none does."""
    return next((rule.origin for rule in rules if rule.fits(sender, destination)), None)
