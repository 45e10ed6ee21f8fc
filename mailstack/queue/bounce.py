"""Bouncer: writes delivery status notifications and routes them to the sender."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mailstack.letter import Address, Arrival, Content, Envelope, Letter, Recipient
from mailstack.letter.dsn import Dsn, Returned, is_returnable
from mailstack.letter.envelope import sender_for
from mailstack.letter.header import split
from mailstack.letter.letter import Octets, read_all, verify
from mailstack.letter.time_parameters import PRIORITY
from mailstack.policy.authentication.dkim import OutboundSigner
from mailstack.queue.enqueue import enter_report
from mailstack.queue.recipient_routes import LOCAL, Router
from mailstack.queue.settings import InitialClaim
from mailstack.queue.settlement import ReportDue
from mailstack.store import Acceptance, StoreError

_log = logging.getLogger(__name__)


class Bouncer:
    """Writes reports and routes them to the sender of the original."""

    def __init__(
        self,
        router: Router,
        server: str,
        *,
        max_header: int = 65_536,
        max_returned: int = 1_048_576,
        signing: OutboundSigner | None = None,
    ) -> None:
        """A report returns at most `max_header` octets of the original's header section. If the sender requests the
        whole letter (RFC 3461 §4.3), it is returned up to `max_returned` octets. `signing` signs reports to other
        hosts.
        """
        self._router = router
        self._server = server
        self._max_header = max_header
        self._max_returned = max_returned
        self._signing = signing

    async def report(self, due: ReportDue, original: Letter, now: float, claim: InitialClaim | None) -> Acceptance:
        """The report, ready for a Settlement. Its reverse-path is null, so that it causes no report itself (RFC 3464 §2).

        `original` has a sender, or `due` another recipient. Raises what the router raises.
        """
        sender = due.to or _reader(due, original.envelope)
        assert sender is not None
        routes = await self._router.route((Recipient(sender),))
        # Mailboxes here get text that isn't ASCII as it is; other hosts get it encoded if possible.
        eight_bit = not sender.is_ascii or all(route.destination == LOCAL for route in routes)
        report = Dsn(
            due.kind,
            due.id,
            self._server,
            now,
            sender,
            original.id,
            original.envelope,
            original.arrival,
            due.notices,
            due.retry_until,
            await self._returned(due, original, eight_bit=eight_bit),
            eight_bit,
        )
        # RFC 6531 §3.6: the header of a report needs SMTPUTF8 only for an address that can't be written otherwise.
        parameters = (
            _inherited_parameters(original.envelope)
            if sender.is_ascii
            else (*_inherited_parameters(original.envelope), ("SMTPUTF8", ""))
        )
        body = "8BITMIME" if report.is_eight_bit else "7BIT"
        envelope = Envelope(None, (Recipient(sender),), body, parameters)
        letter = Letter(due.id, envelope, Octets(report.octets()), Arrival(now, self._server, "LOCAL"))
        facts: dict[str, Any] = {"by": "mailstack", "report": due.kind, "original": original.id}
        if self._signing is not None and any(route.destination != LOCAL for route in routes):
            letter, more = await self._signed(letter, self._signing)
            facts.update(more)
        return enter_report(letter, routes, facts, now, claim)

    async def _signed(self, report: Letter, signing: OutboundSigner) -> tuple[Letter, Mapping[str, Any]]:
        """Signs a report; after an error it is sent unsigned."""
        try:
            return await signing.signed(report)
        except Exception:  # noqa: BLE001
            _log.exception("internal error: report %s is sent without a signature", report.id)
            return report, {}

    async def reports(
        self, dues: Sequence[ReportDue], original: Letter, now: float, claim: InitialClaim | None
    ) -> list[Acceptance]:
        """All reports that are due, ready for a Settlement."""
        return [await self.report(due, original, now, claim) for due in dues]

    async def _returned(self, due: ReportDue, original: Letter, *, eight_bit: bool) -> Returned | None:
        """The whole letter after a failure, if it is requested and small enough (RFC 3461 §4.3); else its header section."""
        parameters = original.envelope.parameters
        # RFC 8689 §5: a letter with REQUIRETLS is never returned whole, even with RET=FULL.
        wants_all = (
            due.kind == "failed"
            and (("RET", "FULL") in parameters or due.to is not None)
            and ("REQUIRETLS", "") not in original.envelope.parameters
        )
        try:
            if wants_all and original.content.size <= self._max_returned:
                whole = await read_all(original.content)
                if is_returnable(whole, eight_bit=eight_bit):
                    return Returned(whole[: split(whole)], whole)
            return Returned(await self._header_of(original))
        except (StoreError, KeyError, OSError) as trouble:
            _log.warning("the report on message %s is sent without its header: %s", original.id, trouble)
            return None

    async def _header_of(self, letter: Letter) -> bytes:
        """The header section; if it is too long, it is cut after the last complete line."""
        await verify(letter.content)
        start = await _start_of(letter.content, self._max_header)
        section = start[: split(start)]
        if len(section) < len(start) or letter.content.size <= len(start):
            return section
        return section[: section.rfind(b"\r\n") + 2] if b"\r\n" in section else b""


def _reader(due: ReportDue, envelope: Envelope) -> Address | None:
    """Recipient of the report: the sender, or its VERP address for a report on one recipient."""
    return sender_for(envelope, due.notices[0].recipient) if len(due.notices) == 1 else envelope.sender


def _inherited_parameters(envelope: Envelope) -> tuple[tuple[str, str], ...]:
    """Parameters that a report inherits from its original: REQUIRETLS (RFC 8689 §5) and priority (RFC 6710 §4.6)."""
    return tuple(parameter for parameter in envelope.parameters if parameter[0] in ("REQUIRETLS", PRIORITY))


async def _start_of(content: Content, limit: int) -> bytes:
    """The first octets, at most `limit`."""
    start = b""
    async for chunk in content.chunks():
        start += chunk
        if len(start) >= limit:
            break
    return start[:limit]
