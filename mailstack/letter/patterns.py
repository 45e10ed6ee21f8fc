"""Wildcard patterns of addresses and of domains, in settings, rules and commands.

A pattern of addresses is "bob@home.test", "*@home.test", "bob@*" or any other text with `*` (any characters) and `?`
(one character). "<>" is the null reverse-path. A pattern of domains is "home.test", "*.home.test" (all subdomains) or
"*".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from mailstack.letter.address import Address, AddressError, ReversePath, ascii_domain, parse_domain

NULL = "<>"
_MAX_LENGTH = 320
"""Maximum length of an address pattern, as of an address (RFC 5321 §4.5.3.1)."""

_A_DOMAIN_PATTERN = 'a domain such as "elsewhere.test", "*.elsewhere.test" for its subdomains, or "*"'
_AN_ADDRESS_PATTERN = 'an address or a pattern such as "bob@home.test", "*@home.test" or "<>"'

ValueT = TypeVar("ValueT")


class PatternError(ValueError):
    """Invalid pattern; the message describes valid ones."""


def address_pattern(text: str) -> str:
    """Normal form of a pattern of addresses; raises PatternError."""
    text = text.strip()
    if text == NULL:
        return text
    local, at, domain = text.rpartition("@")
    if not at and text and "*" not in text and "?" not in text:
        raise PatternError(_AN_ADDRESS_PATTERN)
    if not text or len(text) > _MAX_LENGTH or not text.isprintable() or " " in text:
        raise PatternError(_AN_ADDRESS_PATTERN)
    try:
        return Address.parse(text).key
    except AddressError:
        return f"{local}@{domain}".lower() if at else text.lower()


def domain_pattern(text: str) -> str:
    """Normal form of a pattern of domains; raises PatternError."""
    text = text.strip()
    if text == "*":
        return text
    try:
        domain = ascii_domain(parse_domain(text.removeprefix("*."))).lower()
    except AddressError as error:
        raise PatternError(f"{_A_DOMAIN_PATTERN} ({error})") from None
    if not text.startswith("*."):
        return domain
    if domain.startswith("["):
        raise PatternError(f"{_A_DOMAIN_PATTERN} (an address literal has no subdomains)")
    return f"*.{domain}"


def fits_address(pattern: str, address: ReversePath) -> bool:
    """Whether a normal pattern matches an address, in any case."""
    if address is None or pattern == NULL:
        return address is None and pattern in {NULL, "*"}
    return _expression(pattern).fullmatch(address.key.lower()) is not None


def fits_domain(pattern: str, domain: str) -> bool:
    """Whether a normal pattern matches a domain in lower case and A-labels."""
    return pattern in {"*", domain} or (pattern.startswith("*.") and domain.endswith(pattern[1:]))


def fits_any_domain(patterns: Sequence[str], domain: str) -> bool:
    """Whether a pattern of the list matches the domain, as `fits_domain`."""
    return any(fits_domain(pattern, domain) for pattern in patterns)


def find_by_domain(table: Mapping[str, ValueT], domain: str) -> tuple[str, ValueT] | None:
    """Most specific pattern of a table that matches a domain, and its value, independent of the order."""
    if not table:
        return None
    domain = domain.lower()
    if (exact := table.get(domain)) is not None:
        return domain, exact
    parent = "" if domain.startswith("[") else domain
    while "." in parent:
        parent = parent.partition(".")[2]
        if (value := table.get(pattern := f"*.{parent}")) is not None:
            return pattern, value
    default = table.get("*")
    return None if default is None else ("*", default)


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    # Atomic groups between stars, against backtracking.
    first, *parts = [re.escape(part).replace(r"\?", ".") for part in re.sub(r"\*+", "*", pattern.lower()).split("*")]
    if not parts:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>.*?{part})" for part in parts[:-1])
    return re.compile(f"{first}{middle}.*{parts[-1]}", re.DOTALL)
