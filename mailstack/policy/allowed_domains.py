"""Allowed domains: restricts the recipients of a staging system."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailstack.letter import Address
from mailstack.letter.patterns import fits_any_domain
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

NOT_THERE = reply(550, "5.7.1", "this system sends no mail to that domain")


class AllowedDomains:
    """An opinion at RCPT, where `[relay] others` is "refuse"."""

    def __init__(self, patterns: Sequence[str], is_local: Callable[[Address], bool]) -> None:
        self._patterns = tuple(patterns)
        self._is_local = is_local

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:  # noqa: ARG002
        to = rcpt.address
        if self._is_local(to) or fits_any_domain(self._patterns, to.ascii_domain.lower()):
            return PASS
        return Refuse(NOT_THERE, f"[relay] allowed_domains does not name {to.domain}")
