"""The Bouncer: makes the letter that tells a sender of trouble, ready to enter the queue like any other."""

from __future__ import annotations

import logging

from mailstack.letter import Arrival, Content, Envelope, Letter, Recipient
from mailstack.letter.content import Octets
from mailstack.letter.header import split
from mailstack.letter.report import Report
from mailstack.queue.entering import FirstClaim, enter, first_deliveries
from mailstack.queue.route import Router
from mailstack.queue.settling import ReportDue
from mailstack.store import Acceptance, StoreError

_log = logging.getLogger(__name__)


class Bouncer:
    """Writes reports and routes them to the sender of the original."""

    def __init__(self, router: Router, office: str, *, most_header: int = 65_536) -> None:
        """`most_header` is how many octets of the original's header section a report returns."""
        self._router = router
        self._office = office
        self._most_header = most_header

    async def report(self, due: ReportDue, original: Letter, now: float, claim: FirstClaim | None) -> Acceptance:
        """The report, ready for a Settlement; its reverse-path is null, so that nobody bounces it (RFC 3464 §2).

        `original` must have a sender. Raises what the router raises.
        """
        sender = original.envelope.sender
        assert sender is not None
        octets = Report(
            due.kind,
            due.id,
            self._office,
            now,
            sender,
            original.id,
            original.envelope,
            original.arrival,
            due.troubles,
            due.retry_until,
            await self._header_of(original),
        ).octets()
        envelope = Envelope(None, (Recipient(sender),))
        letter = Letter(due.id, envelope, Octets(octets), Arrival(now, self._office, "LOCAL"))
        routes = await self._router.route(envelope.recipients)
        facts = {"by": "mailstack", "report": due.kind, "original": original.id}
        deliveries = first_deliveries(letter, routes, now=now, claim=claim)
        return enter(letter, routes, deliveries, (), "submitted", facts, now)

    async def _header_of(self, letter: Letter) -> bytes | None:
        """The header section, cut behind its last whole line where it is too long; None when it can't be read."""
        try:
            start = await _start_of(letter.content, self._most_header)
        except (StoreError, KeyError, OSError) as trouble:
            _log.warning("the report on %s goes without its header: %s", letter.id, trouble)
            return None
        section = start[: split(start)]
        if len(section) < len(start) or letter.content.size <= len(start):
            return section
        return section[: section.rfind(b"\r\n") + 2] if b"\r\n" in section else b""


async def _start_of(content: Content, most: int) -> bytes:
    """At most the first `most` octets."""
    start = b""
    async for chunk in content.chunks():
        start += chunk
        if len(start) >= most:
            break
    return start[:most]
