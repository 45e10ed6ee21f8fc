"""Collector of TLS results: storage, errors, due times."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailstack.relay.tls_reports.reporter import REPORT_DELAY_S, Collector
from mailstack.store import StoreError
from mailstack.store.sql_parts.tls_results import SqlTlsResults
from mailstack.store.tls_results import DAY, AppliedPolicy, SessionFailure, TlsCount
from tests.aid import run
from tests.clock import START, HandClock
from tests.store.pools import pools

NONE = AppliedPolicy("no-policy-found", "elsewhere.test")
FAILED = SessionFailure("starttls-not-supported", host="mx.elsewhere.test")


class BrokenStore(SqlTlsResults):
    broken = False

    async def add(self, counts: Sequence[TlsCount], due: Callable[[int, str], float]) -> None:
        if self.broken:
            raise StoreError("the disk is away")
        await super().add(counts, due)


def test_counts_are_stored_after_some_seconds_and_none_is_lost_by_trouble() -> None:
    clock, store = HandClock(), BrokenStore(*pools())
    collector = Collector(store, clock, submitter="home.test")
    store.broken = True
    for failure in (None, None, FAILED):
        collector.count("elsewhere.test", NONE, failure)
    clock.advance(15)
    collector.count("elsewhere.test", NONE, None)
    store.broken = False
    clock.advance(10)
    assert {each.failure: each.sessions for each in run(store.counts())} == {None: 3, FAILED: 1}
    collector.count("elsewhere.test", NONE, None)
    run(collector.flush())
    assert sum(each.sessions for each in run(store.counts())) == 5
    assert clock.bugs == []


def test_of_too_many_different_results_the_first_are_counted() -> None:
    clock, store = HandClock(), SqlTlsResults(*pools())
    collector = Collector(store, clock, submitter="home.test", max_counts=10)
    for number in range(100):
        collector.count(f"d{number}.test", NONE, None)
    run(collector.flush())
    assert len(run(store.counts())) == 10


def test_reports_are_spread_over_the_hours_after_the_day() -> None:
    clock, store = HandClock(), SqlTlsResults(*pools())
    collector = Collector(store, clock, submitter="home.test", spread=14_400.0)
    for number in range(200):
        collector.count(f"d{number}.test", NONE, None)
    run(collector.flush())
    end = (START // DAY + 1) * DAY
    dues = []
    while (report := run(store.claim("me", end + DAY, DAY * 9))) is not None:
        dues.append(report.domain)
    first = run(store.next_due())
    assert first is not None
    assert len(set(dues)) == 200
    assert end + REPORT_DELAY_S <= collector._due(int(START // DAY), "elsewhere.test") <= end + REPORT_DELAY_S + 14_400
    moments = {collector._due(int(START // DAY), domain) // 3600 for domain in dues}
    assert len(moments) >= 4
