"""Loop detection by the number of Received fields (RFC 5321 §6.3)."""

from __future__ import annotations

from mailstack.policy import PASS, Refuse, Verdict
from mailstack.protocols.smtp.replies import reply

MAX_HOPS = 100
"""RFC 5321 §6.3: at least 100."""

LOOP = reply(554, "5.4.6", "too many hops, this letter is looping")


def too_many_hops(count: int, limit: int = MAX_HOPS) -> Verdict:
    """`count` is the number of `Received:` fields that the letter came with."""
    if count <= limit:
        return PASS
    return Refuse(LOOP, f"{count} Received fields, {limit} are allowed")
