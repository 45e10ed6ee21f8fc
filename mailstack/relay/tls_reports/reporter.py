"""TLS reporter: counts results of sessions, and sends a report after each day."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from mailstack.letter import Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.letter import Octets
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.queue.webhooks.dispatcher import SendFailed
from mailstack.queue.webhooks.webhook import Poster
from mailstack.relay.hosts import DnsResolver, DnsUnavailable, NoSuchDomain
from mailstack.relay.tls_reports.report import Reporting, Rua, TlsReport, octets_of, read_record, report_on
from mailstack.store import StoreError
from mailstack.store.tls_results import DAY, AppliedPolicy, SessionFailure, TlsCount, TlsReportDue, TlsResults

_log = logging.getLogger(__name__)

NEVER = (("NOTIFY", "NEVER"),)
"""Parameters of the recipient: no DSN for a report that can't be delivered."""


class ReporterLimits(Struct, frozen=True):
    """Times in seconds, and the age of counts."""

    poll: float = 600.0
    """Interval of polls of the store."""
    lease: float = 900.0
    """Lease of a claim; longer than the time to write and send one report."""
    retry: float = 3600.0
    """Wait before the next attempt to send a report."""
    give_up_after: float = 172_800.0
    """Time from the end of the day until a report expires."""
    keep_days: int = 4
    """Maximum age of counts in days."""


class Reporter:
    """Sends due reports from `start` to `stop`. All due reports are in the store."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        store: TlsResults,
        resolver: DnsResolver,
        clock: Clock,
        poster: Poster,
        send: Callable[[Letter], Awaitable[None]],
        reporting: Reporting,
        server: str,
        owner: str,
        limits: ReporterLimits = ReporterLimits(),  # noqa: B008  # frozen
    ) -> None:
        """`send` signs a letter and accepts it into the queue; raises SendFailed."""
        self._store = store
        self._resolver = resolver
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
        """Sends due reports one by one, and schedules the next poll."""
        wait = self._limits.poll
        try:
            await self._store.purge(int(self._clock.now() // DAY) - self._limits.keep_days)
            now = self._clock.now
            while (
                self._running and (due := await self._store.claim(self._owner, now(), self._limits.lease)) is not None
            ):
                await self._report(due)
            if (first := await self._store.next_due()) is not None:
                wait = min(wait, max(1.0, first - self._clock.now()))
        except StoreError as trouble:
            _log.error("TLS reports are delayed, because the store failed: %s", trouble)
        finally:
            # After any error the report is due again when its lease ends.
            if self._running:
                self._cancel = self._clock.call_later(wait, lambda: self._clock.spawn(self._poll()))

    async def _report(self, due: TlsReportDue) -> None:
        """Sends one report to all addresses that have not accepted it yet. Raises StoreError."""
        sent = list(due.sent)
        try:
            addresses = await self._report_addresses(due.domain)
        except DnsUnavailable as trouble:
            _log.info("the TLSRPT record of %s can't be looked up: %s", due.domain, trouble)
            await self._postpone(due, sent)
            return
        remaining = [each for each in addresses if each.uri not in sent]
        if remaining:
            counts = await self._store.counts(due.domain, due.day)
            report = report_on(due.domain, due.day, counts, self._reporting)
            for each in remaining:
                try:
                    await self._send_to(each, report)
                except SendFailed as trouble:
                    _log.warning("the TLS report for %s can't be sent to %s: %s", due.domain, each.uri, trouble)
                else:
                    sent.append(each.uri)
        if all(each.uri in sent for each in addresses):
            await self._store.settle(self._owner, due)
        else:
            await self._postpone(due, sent)

    async def _postpone(self, due: TlsReportDue, sent: list[str]) -> None:
        now = self._clock.now()
        if now >= due.ends + self._limits.give_up_after:
            await self._store.settle(self._owner, due)
        else:
            await self._store.settle(self._owner, due, again=now + self._limits.retry, sent=sent)

    async def _report_addresses(self, domain: str) -> tuple[Rua, ...]:
        """Raises DnsUnavailable."""
        try:
            return read_record(await self._resolver.txt(f"_smtp._tls.{domain}"))
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


_Key = tuple[int, str, AppliedPolicy, SessionFailure | None]

REPORT_DELAY_S = 600.0
"""Seconds from the end of a day to its first report; all counts are stored by then."""


class Collector:
    """Counts results in memory, and stores them at intervals; a crash loses the counts of the last interval."""

    def __init__(
        self,
        store: TlsResults,
        clock: Clock,
        *,
        submitter: str,
        spread: float = 14_400.0,
        interval: float = 10.0,
        max_counts: int = 10_000,
    ) -> None:
        """Reports are due within `spread` seconds after REPORT_DELAY_S, at a time that depends on domain and `submitter`.

        Counts are stored every `interval` seconds. Results beyond `max_counts` different ones per interval are dropped.
        """
        self._store = store
        self._clock = clock
        self._submitter = submitter
        self._spread = spread
        self._interval = interval
        self._max_counts = max_counts
        self._counts: dict[_Key, int] = {}
        self._cancel: Callable[[], None] | None = None

    def count(self, domain: str, policy: AppliedPolicy, failure: SessionFailure | None) -> None:
        """Counts a session, as `SessionResults.count`."""
        key = int(self._clock.now() // DAY), domain, policy, failure
        if key in self._counts:
            self._counts[key] += 1
        elif len(self._counts) < self._max_counts:
            self._counts[key] = 1
        self._flush_later()

    def _flush_later(self) -> None:
        if self._cancel is None:
            self._cancel = self._clock.call_later(self._interval, lambda: self._clock.spawn(self.flush()))

    async def flush(self) -> None:
        """Stores the counts; after an error they are stored later."""
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            await self._store.add([TlsCount(*key, count) for key, count in counts.items()], self._due)
        except StoreError as trouble:
            _log.error("TLS results can't be stored yet: %s", trouble)
            for key, count in counts.items():
                self._counts[key] = self._counts.get(key, 0) + count
            self._flush_later()

    def _due(self, day: int, domain: str) -> float:
        digest = hashlib.sha256(f"{self._submitter} {domain}".encode()).digest()
        part = int.from_bytes(digest[:4]) / 2**32
        return (day + 1) * DAY + REPORT_DELAY_S + part * self._spread
