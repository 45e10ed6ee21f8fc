"""Arguments of the public test API: addresses, and errors for unexpected names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from mailstack.letter import Address, AddressError

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


def parse_address(text: str, domain: str) -> Address:
    """Parses an address; a name without @ is in `domain`. Raises AddressError, a ValueError, with the address."""
    if "@" not in text and not domain:
        raise AddressError(f"{text!r} has no domain, and this server has none: write {text}@DOMAIN")
    whole = text if "@" in text else f"{text}@{domain}"
    try:
        return Address.parse(whole)
    except AddressError as error:
        raise AddressError(f"{whole!r} is not an address: {error}") from None


def unexpected_argument(function: str, given: Iterable[str], expected: Iterable[str], noun: str = "argument") -> str:
    """Text that names the first unexpected argument, those that `function` takes, and a similar one; "" for none."""
    known = [*expected]
    unknown = next((name for name in given if name not in known), None)
    if unknown is None:
        return ""
    similar = get_close_matches(unknown, known, n=1)
    hint = f"; did you mean {similar[0]}?" if similar else ""
    return f"{function} got an unexpected {noun} {unknown!r}; expected one of {', '.join(known)}{hint}"
