"""Patterns of domains, as the operator writes them: "domain", "*.domain" for every name beneath it, "*" for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from mailstack.letter.address import ascii_domain, parse_domain

A_PATTERN = 'a domain such as "elsewhere.test", "*.elsewhere.test" for all beneath it, or "*"'

ValueT = TypeVar("ValueT")


def read_pattern(text: str) -> str:
    """A pattern in lower case; raises ValueError."""
    if text == "*":
        return text
    beneath = text.startswith("*.")
    try:
        domain = ascii_domain(parse_domain(text.removeprefix("*."))).lower()
    except ValueError:
        raise ValueError(A_PATTERN) from None
    if beneath and domain.startswith("["):
        raise ValueError(A_PATTERN)
    return f"*.{domain}" if beneath else domain


def find(table: Mapping[str, ValueT], domain: str) -> tuple[str, ValueT] | None:
    """The most exact pattern of the table that fits a domain, whatever order they were written in, and its value."""
    if not table:
        return None
    domain = domain.lower()
    if (exact := table.get(domain)) is not None:
        return domain, exact
    rest = "" if domain.startswith("[") else domain
    while "." in rest:
        rest = rest.partition(".")[2]
        if (above := table.get(pattern := f"*.{rest}")) is not None:
            return pattern, above
    if (any_other := table.get("*")) is not None:
        return "*", any_other
    return None
