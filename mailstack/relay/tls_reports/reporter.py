"""Reporter: writes and sends TLS reports after the end of each day."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from mailstack.letter import Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.content import Octets
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.queue.webhooks.dispatcher import SendFailed
from mailstack.queue.webhooks.webhook import Poster
from mailstack.relay.dns import DnsResolver, DnsUnavailable, NoSuchDomain
from mailstack.relay.tls_reports.report import Reporting, Rua, TlsReport, octets_of, read_record, report_on
from mailstack.store import StoreError
from mailstack.store.tls_results import DAY, TlsReportDue, TlsResults

_log = logging.getLogger(__name__)

NEVER = (("NOTIFY", "NEVER"),)
"""Parameters of the recipient: no DSN for a report that can't be delivered."""


class ReporterLimits(Struct, frozen=True):
    """Times are in seconds."""

    poll: float = 600.0
    """How often the store is looked at."""
    lease: float = 900.0
    """Lease of a claim; longer than writing and sending one report takes."""
    again: float = 3600.0
    """Wait before a report that could not be sent is tried again."""
    patience: float = 172_800.0
    """Time from the end of the day until a report is given up."""
    keep: int = 4
    """Days that counts are kept at most."""


class Reporter:
    """States: made, running (`start`), stopped (`stop`). All that waits is in the store."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        store: TlsResults,
        names: DnsResolver,
        clock: Clock,
        poster: Poster,
        send: Callable[[Letter], Awaitable[None]],
        reporting: Reporting,
        server: str,
        owner: str,
        limits: ReporterLimits = ReporterLimits(),  # noqa: B008  # frozen
    ) -> None:
        """`send` signs a letter and takes it into our queue; it raises SendFailed when it can't."""
        self._store = store
        self._names = names
        self._clock = clock
        self._poster = poster
        self._send = send
        self._reporting = reporting
        self._server = server
        self._owner = owner
        self._limits = limits
        self._running = False
        self._cancel: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._running = True
        self._clock.spawn(self._poll())

    def stop(self) -> None:
        self._running = False
        self._cancel()
        self._poster.close()

    async def _poll(self) -> None:
        """Write what is due, one after the other, and look again when more is."""
        wait = self._limits.poll
        try:
            await self._store.purge(int(self._clock.now() // DAY) - self._limits.keep)
            while self._running and (due := await self._claim()) is not None:
                await self._report(due)
            if (first := await self._store.next_due()) is not None:
                wait = min(wait, max(1.0, first - self._clock.now()))
        except StoreError as trouble:
            _log.error("TLS reports can't be written yet: %s", trouble)
        finally:
            # Also after a bug: the report is due again when its lease ends.
            if self._running:
                self._cancel = self._clock.call_later(wait, lambda: self._clock.spawn(self._poll()))

    async def _claim(self) -> TlsReportDue | None:
        return await self._store.claim(self._owner, self._clock.now(), self._limits.lease)

    async def _report(self, due: TlsReportDue) -> None:
        """Send one report to all addresses that have not got it yet. Raises StoreError."""
        sent = list(due.sent)
        try:
            wanting = await self._report_addresses(due.domain)
        except DnsUnavailable as trouble:
            _log.info("whether %s wants TLS reports can't be found out: %s", due.domain, trouble)
            await self._later(due, sent)
            return
        left = [each for each in wanting if each.uri not in sent]
        if left:
            counts = await self._store.counts(due.domain, due.day)
            report = report_on(due.domain, due.day, counts, self._reporting)
            for each in left:
                try:
                    await self._send_to(each, report)
                except SendFailed as trouble:
                    _log.warning("the TLS report for %s does not reach %s: %s", due.domain, each.uri, trouble)
                else:
                    sent.append(each.uri)
        if all(each.uri in sent for each in wanting):
            await self._store.settle(self._owner, due)
        else:
            await self._later(due, sent)

    async def _later(self, due: TlsReportDue, sent: list[str]) -> None:
        now = self._clock.now()
        if now >= due.ends + self._limits.patience:
            await self._store.settle(self._owner, due)
        else:
            await self._store.settle(self._owner, due, again=now + self._limits.again, sent=sent)

    async def _report_addresses(self, domain: str) -> tuple[Rua, ...]:
        """Raises DnsUnavailable."""
        try:
            return read_record(await self._names.txt(f"_smtp._tls.{domain}"))
        except NoSuchDomain:
            return ()

    async def _send_to(self, rua: Rua, report: TlsReport) -> None:
        """Raises SendFailed."""
        if rua.mailbox is None:
            try:
                answer = await self._poster.post(rua.uri, {"Content-Type": "application/tlsrpt+gzip"}, report.octets)
            except ConnectFailed as trouble:
                raise SendFailed(str(trouble)) from None
            if not 200 <= answer.code < 300:
                raise SendFailed(f"the receiver answered {answer.code}")
            return
        now = self._clock.now()
        letter = new_letter_id(now)
        content = Octets(octets_of(report, self._reporting, to=rua.mailbox, letter=letter, now=now))
        envelope = Envelope(self._reporting.author, (Recipient(rua.mailbox, parameters=NEVER),), "7BIT")
        await self._send(Letter(letter, envelope, content, Arrival(now, self._server, "LOCAL")))
