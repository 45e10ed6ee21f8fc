"""LIMITS (RFC 9422): limits of a session, announced in advance."""

from __future__ import annotations

import re

from msgspec import Struct

from mailstack.protocols.smtp.extensions.extension import Extension, Facts

# §4: each value has at most six digits, the first of which is not 0.
_LIMIT = re.compile(r"([A-Z0-9][A-Z0-9-]*)=([1-9][0-9]{0,5})\Z", re.IGNORECASE)


class HostLimits(Struct, frozen=True):
    """Limits that a host announces; 0 is no limit."""

    letters: int = 0
    """Maximum transactions of a session: MAILMAX (§4.1)."""
    recipients: int = 0
    """Maximum recipients of a transaction: RCPTMAX (§4.2)."""
    domains: int = 0
    """Maximum domains of all recipients of a session: RCPTDOMAINMAX (§4.3)."""

    @classmethod
    def parse(cls, text: str) -> HostLimits:
        """Parse the text after the keyword; unknown limits and invalid values are ignored (§3.7)."""
        if not text:
            return NO_LIMITS
        values: dict[str, int] = {}
        for word in text.split():
            if match := _LIMIT.match(word):
                values[match[1].upper()] = int(match[2])
        return cls(values.get("MAILMAX", 0), values.get("RCPTMAX", 0), values.get("RCPTDOMAINMAX", 0))


NO_LIMITS = HostLimits()


def _argument(facts: Facts) -> str | None:
    limits = facts.capabilities
    named = (("RCPTMAX", limits.max_recipients), ("MAILMAX", limits.max_letters))
    return " ".join([f"{name}={value}" for name, value in named if value]) or None


LIMITS = Extension("LIMITS", _argument)
