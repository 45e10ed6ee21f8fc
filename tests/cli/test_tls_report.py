"""`mailstack tls-report`: what is counted can be seen before it is told."""

from __future__ import annotations

from mailstack.store.tls_results import AppliedPolicy, SessionFailure, TlsCount
from tests.cli.conftest import Mailstack, Shelf, lines_of

STS = AppliedPolicy("sts", "elsewhere.test", ("version: STSv1",), ("mx.elsewhere.test",))
EXPIRED = SessionFailure("certificate-expired", "192.0.2.1", "mx.elsewhere.test", "192.0.2.2", "it has expired")
DAY = 20_600


def test_counts_are_listed_and_shown_as_the_report_will_be(shelf: Shelf, mailstack: Mailstack) -> None:
    counts = [
        TlsCount(DAY, "elsewhere.test", STS, None, 5),
        TlsCount(DAY, "elsewhere.test", STS, EXPIRED, 2),
        TlsCount(DAY, "third.test", AppliedPolicy("no-policy-found", "third.test"), None, 1),
    ]
    shelf.pump.run(shelf.store.tls_results.add(counts, lambda day, domain: 0.0))
    assert lines_of(mailstack("tls-report", "list", "--json")) == [
        {"day": "2026-05-27", "domain": "elsewhere.test", "successes": 5, "failures": 2},
        {"day": "2026-05-27", "domain": "third.test", "successes": 1, "failures": 0},
    ]
    assert "third.test" not in mailstack("tls-report", "list", "--failures").stdout
    shown = mailstack("tls-report", "show", "Elsewhere.test").stdout
    assert "certificate-expired" in shown
    (report,) = lines_of(mailstack("tls-report", "show", "elsewhere.test", "--json"))
    assert report["organization-name"] == "home.test"
    assert report["policies"][0]["summary"] == {"total-successful-session-count": 5, "total-failure-session-count": 2}
    assert "no TLS sessions with other.test" in mailstack("tls-report", "show", "other.test").stdout
    assert mailstack("tls-report", "show", "a b").exit_code == 1
