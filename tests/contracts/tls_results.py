"""The contract of `mailstack.store.tls_results.TlsResults`; import it as `tests.contracts.store`."""

from __future__ import annotations

from msgspec.structs import replace

from mailstack.store.tls_results import DAY, AppliedPolicy, SessionFailure, TlsCount, TlsReportDue
from tests.contracts.store import Subject

STS = AppliedPolicy("sts", "elsewhere.test", ("version: STSv1", "mode: enforce"), ("*.elsewhere.test",))
NONE = AppliedPolicy("no-policy-found", "third.test")
EXPIRED = SessionFailure("certificate-expired", "192.0.2.1", "mx.elsewhere.test", "192.0.2.2", "it has expired")
DAY_7 = TlsCount(7, "elsewhere.test", STS, None, 3)


def due(day: int, domain: str) -> float:
    return float((day + 1) * DAY) + (60.0 if domain == "third.test" else 0.0)


def test_counts_add_up_and_outlive_the_process(subject: Subject) -> None:
    run, store = subject.run, subject.store
    assert run(store.tls_results.next_due()) is None
    assert run(store.tls_results.claim("me", 1e9, 60.0)) is None
    failed = replace(DAY_7, failure=EXPIRED, sessions=1)
    other = TlsCount(8, "third.test", NONE, None, 1)
    run(store.tls_results.add([DAY_7, failed], due))
    run(store.tls_results.add([DAY_7, other], due))
    store = subject.reopen()
    assert run(store.tls_results.counts()) == [replace(DAY_7, sessions=6), failed, other]
    assert run(store.tls_results.counts("third.test")) == [other]
    assert run(store.tls_results.counts("elsewhere.test", 8)) == []
    assert run(store.tls_results.next_due()) == 8.0 * DAY


def test_a_report_is_written_by_one_and_forgotten_with_its_counts(subject: Subject) -> None:
    run, store = subject.run, subject.store
    other = TlsCount(7, "third.test", NONE, None, 1)
    run(store.tls_results.add([DAY_7, replace(DAY_7, day=8), other], due))
    assert run(store.tls_results.claim("me", 8.0 * DAY - 1, 60.0)) is None
    report = run(store.tls_results.claim("me", 8.0 * DAY, 60.0))
    assert report == TlsReportDue(7, "elsewhere.test", 1)
    assert report.ends == 8.0 * DAY
    assert run(store.tls_results.claim("you", 8.0 * DAY + 30, 60.0)) is None
    run(store.tls_results.settle("you", report))
    assert len(run(store.tls_results.counts())) == 3
    run(store.tls_results.settle("me", report, again=8.0 * DAY + 40, sent=["mailto:a@elsewhere.test"]))
    again = run(store.tls_results.claim("you", 8.0 * DAY + 40, 60.0))
    assert again == TlsReportDue(7, "elsewhere.test", 2, ("mailto:a@elsewhere.test",))
    run(store.tls_results.settle("you", again))
    assert run(store.tls_results.counts()) == [other, replace(DAY_7, day=8)]


def test_a_report_whose_writer_died_is_due_when_his_lease_ends(subject: Subject) -> None:
    run, store = subject.run, subject.store
    run(store.tls_results.add([DAY_7], due))
    run(store.tls_results.claim("me", 8.0 * DAY, 60.0))
    assert run(store.tls_results.next_due()) == 8.0 * DAY + 60
    again = run(store.tls_results.claim("you", 8.0 * DAY + 60, 60.0))
    assert again is not None
    assert again.attempts == 2


def test_days_that_are_long_over_are_forgotten(subject: Subject) -> None:
    run, store = subject.run, subject.store
    run(store.tls_results.add([DAY_7, replace(DAY_7, day=9)], due))
    assert run(store.tls_results.purge(9)) == 1
    assert run(store.tls_results.counts()) == [replace(DAY_7, day=9)]
