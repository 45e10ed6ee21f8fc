"""Patterns of addresses and of domains, as operators write them.

An address fits "bob@home.test", "*@home.test", "bob@*" or anything else with `*` (any characters) and `?` (one); the
empty pattern of an address is "<>", the null reverse-path. A domain fits "home.test", "*.home.test" (every name
beneath it) or "*".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from mailstack.letter.address import Address, AddressError, ReversePath, ascii_domain, parse_domain

NULL = "<>"
_LONGEST = 320
"""Octets of an address (RFC 5321 §4.5.3.1), and so of a pattern of one."""


class PatternError(ValueError):
    """A text is no pattern; str() says what was expected."""


def address_pattern(text: str) -> str:
    """A pattern of addresses as it is kept; raises PatternError."""
    text = text.strip()
    if text == NULL:
        return text
    local, at, domain = text.rpartition("@")
    if not at and text and "*" not in text and "?" not in text:
        raise PatternError('an address or a pattern of some, as "bob@home.test", "*@home.test" or "<>"')
    if not text or len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise PatternError('an address or a pattern of some, as "bob@home.test", "*@home.test" or "<>"')
    try:
        return Address.parse(text).key
    except AddressError:
        return f"{local}@{domain}".lower() if at else text.lower()


def domain_pattern(text: str) -> str:
    """A pattern of domains as it is kept; raises PatternError."""
    text = text.strip()
    if text == "*":
        return text
    beneath = text.startswith("*.")
    try:
        domain = ascii_domain(parse_domain(text.removeprefix("*."))).lower()
    except AddressError as error:
        raise PatternError(
            f'a domain such as "home.test", "*.home.test" for all beneath it, or "*" ({error})'
        ) from None
    return f"*.{domain}" if beneath else domain


def fits_address(pattern: str, address: ReversePath) -> bool:
    """Whether a kept pattern fits; upper and lower case are the same."""
    if address is None or pattern == NULL:
        return address is None and pattern in {NULL, "*"}
    return _expression(pattern).fullmatch(address.key.lower()) is not None


def fits_domain(pattern: str, domain: str) -> bool:
    """Whether a kept pattern fits a domain in lower case and A-labels."""
    return pattern in {"*", domain} or (pattern.startswith("*.") and domain.endswith(pattern[1:]))


def fits_any_domain(patterns: Sequence[str], domain: str) -> bool:
    """Whether one of them does."""
    return any(fits_domain(pattern, domain) for pattern in patterns)


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    # Between two stars the shortest run is taken and never given back, so that no address makes it try again.
    first, *rest = [re.escape(part).replace(r"\?", ".") for part in re.sub(r"\*+", "*", pattern.lower()).split("*")]
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)
