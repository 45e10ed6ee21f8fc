"""A letter as it entered an office under test, and the form in which addresses are compared."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter import Address, AddressError, Letter


class Entered(Struct, frozen=True):
    """A letter that was handed in."""

    number: int
    """Grows with each."""
    letter: Letter
    octets: bytes


def key_of(address: str) -> str:
    """The Address.key of what was written; as it is when it is no address."""
    try:
        return Address.parse(address).key
    except AddressError:
        return address.lower()
