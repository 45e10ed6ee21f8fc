"""TLS results and due reports in the database (RFC 8460)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from mailstack.store import rows
from mailstack.store.batch import ReaderPool, Transaction, WriterPool
from mailstack.store.connection import Connection
from mailstack.store.tls_results import AppliedPolicy, SessionFailure, TlsCount, TlsReportDue

_COUNT = """INSERT INTO tls_results (day, domain, policy, failure, sessions) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (day, domain, policy, failure) DO UPDATE SET sessions = tls_results.sessions + excluded.sessions"""
_DUE = """INSERT INTO tls_reports (day, domain, due, attempts, claimed_by, sent) VALUES (?, ?, ?, 0, NULL, '[]')
    ON CONFLICT (day, domain) DO NOTHING"""
_RESULTS = """SELECT day, domain, policy, failure, sessions FROM tls_results
    WHERE (CAST(? AS TEXT) IS NULL OR domain = ?) AND (CAST(? AS INTEGER) IS NULL OR day = ?) ORDER BY day, domain, policy, failure"""
_NEXT = "SELECT MIN(due) FROM tls_reports"
_REPORT = ("day", "domain", "attempts", "sent")
_FIRST = "SELECT day, domain, attempts, sent FROM tls_reports WHERE due <= ? ORDER BY due LIMIT 1"
_CLAIM = "UPDATE tls_reports SET claimed_by = ?, due = ?, attempts = attempts + 1 WHERE day = ? AND domain = ?"
_AGAIN = "UPDATE tls_reports SET claimed_by = NULL, due = ?, sent = ? WHERE day = ? AND domain = ? AND claimed_by = ?"
_DONE = "DELETE FROM tls_reports WHERE day = ? AND domain = ? AND claimed_by = ?"
_FORGET_COUNTS = "DELETE FROM tls_results WHERE day = ? AND domain = ?"
_OLD_COUNTS = "DELETE FROM tls_results WHERE day < ?"
_OLD = "DELETE FROM tls_reports WHERE day < ?"

_policy = msgspec.json.Decoder(AppliedPolicy).decode
_failure = msgspec.json.Decoder(SessionFailure).decode
_sent = msgspec.json.Decoder(tuple[str, ...]).decode


class SqlTlsResults:
    """See `mailstack.store.tls_results.TlsResults`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool) -> None:
        self._readers = readers
        self._writer = writer

    async def add(self, counts: Sequence[TlsCount], due: Callable[[int, str], float]) -> None:
        results = [
            (
                each.day,
                each.domain,
                rows.as_json(each.policy),
                "" if each.failure is None else rows.as_json(each.failure),
                each.sessions,
            )
            for each in counts
        ]
        reports = [(day, domain, due(day, domain)) for day, domain in {(each.day, each.domain) for each in counts}]
        # Sorted, so that two concurrent writers can't deadlock.
        await self._writer.do(partial(_add, results=sorted(results), reports=sorted(reports)))

    async def counts(self, domain: str | None = None, day: int | None = None) -> list[TlsCount]:
        return await self._readers.do(lambda connection: _results(connection, domain, day))

    async def next_due(self) -> float | None:
        return await self._readers.do(_next)

    async def claim(self, owner: str, now: float, lease: float) -> TlsReportDue | None:
        claimed: TlsReportDue | None = await self._writer.do(partial(_claim, owner=owner, now=now, until=now + lease))
        return claimed

    async def settle(
        self, owner: str, report: TlsReportDue, *, again: float | None = None, sent: Sequence[str] = ()
    ) -> None:
        await self._writer.do(partial(_settle, owner=owner, report=report, again=again, sent=tuple(sent)))

    async def purge(self, before: int) -> int:
        count: int = await self._writer.do(partial(_purge, before=before))
        return count


def _add(transaction: Transaction, results: Sequence[Any], reports: Sequence[Any]) -> None:
    for row in results:
        transaction.execute(_COUNT, row)
    for row in reports:
        transaction.execute(_DUE, row)


def _results(connection: Connection, domain: str | None, day: int | None) -> list[TlsCount]:
    return [_count_from(row) for row in connection.execute(_RESULTS, (domain, domain, day, day))]


def _count_from(row: Sequence[Any]) -> TlsCount:
    def decode() -> TlsCount:
        failure = _failure(rows.text(row[3])) if row[3] else None
        return TlsCount(
            rows.number(row[0]), rows.text(row[1]), _policy(rows.text(row[2])), failure, rows.number(row[4])
        )

    return rows.checked("tls_results", tuple(row[:2]), decode)


def _next(connection: Connection) -> float | None:
    ((due,),) = connection.execute(_NEXT).fetchall()
    return None if due is None else rows.checked("tls_reports", "due", lambda: float(due))


def _claim(transaction: Transaction, *, owner: str, now: float, until: float) -> TlsReportDue | None:
    found = transaction.connection.fetch_free(_FIRST, _REPORT, (now,))
    if not found:
        return None
    ((day, domain, attempts, sent),) = found
    transaction.execute(_CLAIM, (owner, until, day, domain))
    return rows.checked(
        "tls_reports",
        (day, domain),
        lambda: TlsReportDue(rows.number(day), rows.text(domain), rows.number(attempts) + 1, _sent(rows.text(sent))),
    )


def _settle(
    transaction: Transaction, *, owner: str, report: TlsReportDue, again: float | None, sent: tuple[str, ...]
) -> None:
    if again is not None:
        transaction.execute(_AGAIN, (again, rows.as_json(sent), report.day, report.domain, owner))
    elif transaction.execute(_DONE, (report.day, report.domain, owner)).rowcount:
        transaction.execute(_FORGET_COUNTS, (report.day, report.domain))


def _purge(transaction: Transaction, before: int) -> int:
    transaction.execute(_OLD_COUNTS, (before,))
    return transaction.execute(_OLD, (before,)).rowcount
