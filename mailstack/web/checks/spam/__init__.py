"""Verdicts of a spam filter on the same machine: SpamAssassin's spamd, or rspamd.

`spamassassin` and `rspamd` parse their answers, and `chosen` has the filter that is asked. A Verdict has the shape of
Mailpit's SpamAssassinResponse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

MOST_RULES = 500
MOST_TEXT = 500
"""Characters of a name or a description."""


class Rule(Struct, frozen=True, rename="pascal"):
    """One thing that the filter looks for, and found."""

    score: float
    """Points; what is below 0 speaks for the letter."""
    name: str
    description: str


class Verdict(Struct, frozen=True, rename="pascal"):
    """All of them."""

    error: str = ""
    """Why there is none; then the rest says nothing."""
    is_spam: bool = False
    score: float = 0.0
    rules: tuple[Rule, ...] = ()


class NotUnderstood(ValueError):
    """What came is no answer of that filter; str() says why."""


Judge = Callable[[bytes], Awaitable[Verdict]]
"""Asks about the octets of a letter. Never raises for what a filter does: that is the verdict's `error`."""
