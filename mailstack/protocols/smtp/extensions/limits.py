"""LIMITS (RFC 9422): how much one session takes, told in advance."""

from __future__ import annotations

import re

from msgspec import Struct

from mailstack.protocols.smtp.extensions.extension import Extension, Facts

# §4: each value is a number of six digits at most that does not begin with 0.
_LIMIT = re.compile(r"([A-Z0-9][A-Z0-9-]*)=([1-9][0-9]{0,5})\Z", re.IGNORECASE)


class HostLimits(Struct, frozen=True):
    """What another host announces; 0 where it names no limit."""

    letters: int = 0
    """MAILMAX: transactions in a session (§4.1)."""
    recipients: int = 0
    """RCPTMAX: of one transaction (§4.2)."""
    domains: int = 0
    """RCPTDOMAINMAX: different domains of the recipients of a whole session (§4.3)."""

    @classmethod
    def parse(cls, text: str) -> HostLimits:
        """Parses the text behind the keyword; unknown limits and senseless values are ignored (§3.7)."""
        if not text:
            return NO_LIMITS
        values: dict[str, int] = {}
        for word in text.split():
            if found := _LIMIT.match(word):
                values[found[1].upper()] = int(found[2])
        return cls(values.get("MAILMAX", 0), values.get("RCPTMAX", 0), values.get("RCPTDOMAINMAX", 0))


NO_LIMITS = HostLimits()


def _announced(facts: Facts) -> str | None:
    limits = facts.capabilities
    named = (("RCPTMAX", limits.max_recipients), ("MAILMAX", limits.max_letters))
    return " ".join([f"{name}={value}" for name, value in named if value]) or None


LIMITS = Extension("LIMITS", _announced)
