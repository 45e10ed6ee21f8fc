"""Faults of a receiving SMTP host, and their effect on letters."""

from __future__ import annotations

import pytest

from mailstack.config import LimitsSettings, RelaySettings, ScheduleSettings
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.relay.tls_policy import TlsLevel, TlsPolicyTable
from mailstack.sandbox.faults import (
    Fault,
    bad_certificate,
    cut_in_content,
    full_mailbox,
    greylisting,
    half_open,
    lost_answer,
    too_busy,
)
from mailstack.sandbox.faults.rule import SmtpStep
from mailstack.sandbox.simulation import Internet, SubmissionRefused

QUICK = ScheduleSettings(first=300.0, longest=3600.0)
STEPS = ["connect", "ehlo", "starttls", "mail", "rcpt", "data", "content", "final"]


@pytest.fixture
def internet() -> Internet:
    internet = Internet(7)
    relay = RelaySettings(ca_file=internet.ca.file, schedule=QUICK)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test", "amy@a.test"], relay=relay)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test", "bea@b.test", "ben@b.test"])
    return internet


def fault(internet: Internet, rule: Fault) -> str:
    """One at b's mail exchange."""
    return internet.faults.add(rule).id


def copies(internet: Internet, address: str = "bob@b.test") -> int:
    return len(internet.reader(address).collect())


def send(internet: Internet, *to: str) -> list[str]:
    """The steps of a letter to b, to its end."""
    letter = internet.author("ann@a.test").submit(to=to or ("bob@b.test",), subject="Hello", text="Hello Bob")
    internet.run(at_most="10d")
    return internet.journey(letter).steps


@pytest.mark.parametrize("at", STEPS)
def test_a_refusal_for_now_at_any_step_only_delays(internet: Internet, at: SmtpStep) -> None:
    rule = Fault(at=at, server="mx.b.test", service="mx", reply="451 4.3.0 not now, says the fault", times=1)
    id_ = fault(internet, rule)
    steps = send(internet)
    assert internet.faults.fired(id_) == 1
    assert "451 4.3.0 not now, says the fault" in internet.transcript or "451 not now" in internet.transcript
    assert copies(internet) == 1
    # Without TLS there is the clear.
    assert steps.count("deferred") == (0 if at == "starttls" else 1)


@pytest.mark.parametrize("at", ["connect", "mail", "rcpt", "data", "content", "final"])
def test_a_refusal_for_good_comes_back(internet: Internet, at: SmtpStep) -> None:
    fault(internet, Fault(at=at, server="mx.b.test", service="mx", reply="550 5.7.1 never, says the fault"))
    steps = send(internet)
    assert copies(internet) == 0
    assert steps[-1] == "bounced"
    (report,) = internet.reader("ann@a.test").collect()
    assert "never, says the fault" in str(report)


def test_a_refusal_of_auth_is_heard_by_the_author(internet: Internet) -> None:
    fault(internet, Fault(at="auth", service="submission", reply="454 4.7.0 not now", times=1))
    with pytest.raises(SmtpSessionError, match="refuses the credentials") as refused:
        internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    assert str(refused.value.reply) == "454 4.7.0 not now"
    internet.author("ann@a.test").submit(to="bob@b.test", text="?")


def test_a_refusal_of_quit_harms_nobody(internet: Internet) -> None:
    fault(internet, Fault(at="quit", reply="451 stay a while"))
    assert send(internet)[-1] == "relayed"
    assert copies(internet) == 1


@pytest.mark.parametrize(
    ("rule", "deferred"),
    [
        (Fault(at="mail", server="mx.b.test", reply="421 4.3.2 closing", times=1), 1),
        (too_busy(server="mx.b.test", times=3), 3),
        (full_mailbox("bob@b.test", times=2), 2),
    ],
    ids=["421", "too busy", "full mailbox"],
)
def test_a_temporary_refusal_delays_a_letter(internet: Internet, rule: Fault, deferred: int) -> None:
    fault(internet, rule)
    assert send(internet).count("deferred") == deferred
    assert copies(internet) == 1


def test_the_third_recipient_alone(internet: Internet) -> None:
    fault(internet, Fault(at="rcpt", server="mx.b.test", nth=3, reply="450 4.2.1 busy", times=1))
    letter = internet.author("ann@a.test").submit(to=["bob@b.test", "bea@b.test", "ben@b.test"], text="?")
    internet.run()
    (deferred,) = internet.journey(letter).only("deferred")
    assert deferred.facts["recipient"] == "ben@b.test"
    assert [copies(internet, f"{name}@b.test") for name in ("bob", "bea", "ben")] == [1, 1, 1]


def test_a_recipient_that_fits_a_pattern(internet: Internet) -> None:
    fault(internet, full_mailbox("be?@b.test", permanent=True))
    assert send(internet, "bob@b.test", "bea@b.test", "ben@b.test").count("bounced") == 2
    assert (copies(internet), copies(internet, "bea@b.test")) == (1, 0)


def test_a_recipient_that_was_refused_is_none_of_its_letter(internet: Internet) -> None:
    id_ = fault(internet, Fault(at="final", service="mx", recipient="nobody@*", reply="451 4.3.0 no"))
    other = fault(internet, Fault(at="final", service="mx", recipient="bob@*", reply="451 4.3.0 no", times=1))
    send(internet, "bob@b.test", "nobody@b.test")
    assert (internet.faults.fired(id_), internet.faults.fired(other)) == (0, 1)
    assert copies(internet) == 1


def test_a_sender_that_fits_a_pattern(internet: Internet) -> None:
    fault(internet, Fault(at="mail", sender="amy@*", service="submission", reply="550 5.7.1 not you"))
    internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    with pytest.raises(SubmissionRefused, match="not you"):
        internet.author("amy@a.test").submit(to="bob@b.test", text="?")


def test_greylisting_takes_who_comes_again(internet: Internet) -> None:
    id_ = fault(internet, greylisting("12m", server="mx.b.test", service="mx"))
    steps = send(internet)
    assert steps.count("deferred") == internet.faults.fired(id_) >= 2
    assert internet.now >= 12 * 60
    assert copies(internet) == 1
    assert "451 4.7.1" in internet.transcript


@pytest.mark.parametrize("at", [*STEPS, "quit"])
def test_a_delay_at_any_step_is_only_that(internet: Internet, at: SmtpStep) -> None:
    fault(internet, Fault(at=at, server="mx.b.test", service="mx", delay="40s", times=1))
    assert "deferred" not in send(internet)
    assert copies(internet) == 1
    internet.advance(60)
    assert internet.now >= 40


def test_a_slow_line_takes_its_time(internet: Internet) -> None:
    """And no more than once for a letter it is asked whether it is slow."""
    id_ = fault(internet, Fault(at="content", server="mx.b.test", service="mx", speed=10, times=1))
    assert "deferred" not in send(internet)
    assert internet.faults.fired(id_) == 1
    assert copies(internet) == 1
    assert internet.now >= 30, "some 300 octets"
    begun = internet.now
    send(internet)
    assert internet.now - begun < 20


@pytest.mark.parametrize("at", [*STEPS, "quit"])
def test_a_connection_that_breaks_before_the_answer(internet: Internet, at: SmtpStep) -> None:
    fault(internet, Fault(at=at, server="mx.b.test", service="mx", drop="before", times=1))
    send(internet)
    # Only the answer to the final dot leaves open whether the letter was taken (RFC 1047).
    assert copies(internet) == (2 if at == "final" else 1)


@pytest.mark.parametrize("at", ["connect", "ehlo", "starttls", "mail", "rcpt", "data", "final", "quit"])
def test_a_connection_that_breaks_after_the_answer(internet: Internet, at: SmtpStep) -> None:
    id_ = fault(internet, Fault(at=at, server="mx.b.test", service="mx", drop="after", times=1))
    send(internet)
    internet.advance("10m")
    assert internet.faults.fired(id_) == 1
    assert copies(internet) == 1


def test_a_lost_answer_makes_two_letters(internet: Internet) -> None:
    fault(internet, lost_answer(server="mx.b.test", times=1))
    assert "deferred" in send(internet)
    assert copies(internet) == 2


def test_a_cut_in_the_middle_of_the_content_takes_nothing(internet: Internet) -> None:
    fault(internet, cut_in_content(2000, server="mx.b.test", times=1))
    letter = internet.author("ann@a.test").submit(to="bob@b.test", text="0123456789" * 10_000)
    internet.run()
    assert internet.journey(letter).only("deferred")
    (read,) = internet.reader("bob@b.test").collect()
    assert len(read.octets) > 100_000
    assert "incomplete)" in internet.transcript


@pytest.mark.parametrize("at", [*STEPS, "quit"])
def test_a_half_open_connection_is_given_up(internet: Internet, at: SmtpStep) -> None:
    fault(internet, half_open(at, server="mx.b.test", service="mx", times=1))
    steps = send(internet)
    assert copies(internet) == 1
    assert "deferred" in steps or at in {"starttls", "quit"}


@pytest.mark.parametrize("at", ["connect", "ehlo", "mail", "rcpt", "data", "final"])
def test_garbage_is_no_answer(internet: Internet, at: SmtpStep) -> None:
    fault(internet, Fault(at=at, server="mx.b.test", service="mx", garbage="\x00\xff what?\r\n", times=1))
    assert "deferred" in send(internet)
    assert 1 <= copies(internet) <= 2


def test_extensions_that_are_missing(internet: Internet) -> None:
    fault(internet, Fault(at="ehlo", server="mx.b.test", without=("STARTTLS", "PIPELINING", "SIZE")))
    send(internet)
    assert copies(internet) == 1
    (dialogue,) = [each for each in internet.transcript.of("mx.b.test") if each.client == "mx.a.test"]
    assert "STARTTLS" not in str(dialogue)
    assert "SIZE" not in str(dialogue)


def test_a_handshake_that_fails_leaves_the_letter_to_policy(internet: Internet) -> None:
    id_ = fault(internet, Fault(at="tls", server="mx.b.test", tls="refused", times=1))
    send(internet)
    assert internet.faults.fired(id_) == 1
    assert copies(internet) == 1


@pytest.mark.parametrize("kind", ["expired", "self-signed", "wrong-name"])
def test_a_bad_certificate_is_refused_where_a_good_one_is_demanded(kind: str) -> None:
    internet = Internet(7)
    demand = TlsPolicyTable({"b.test": TlsLevel.VERIFIED})
    relay = RelaySettings(ca_file=internet.ca.file, schedule=QUICK, tls_policy=demand)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"], relay=relay)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
    fault(internet, bad_certificate(kind, server="mx.b.test", service="mx", times=2))  # type: ignore[arg-type]
    letter = internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    internet.run()
    assert [stage.facts["status"] for stage in internet.journey(letter).only("deferred")] == ["4.7.5", "4.7.5"]
    assert copies(internet) == 1


def test_faults_with_chunks_as_with_data() -> None:
    """BDAT has no answer of its own before its octets; what "data" refuses is refused at their end."""
    internet = Internet(7)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"], limits=LimitsSettings())
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
    for at in ("data", "final"):
        internet.faults.add(Fault(at=at, server="mx.b.test", reply=f"452 4.3.1 no {at}", times=1))
    raw = b"Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\n"
    letter = internet.author("ann@a.test").submit(to="bob@b.test", raw=raw, body="BINARYMIME")
    internet.run()
    assert "BDAT" in internet.transcript
    replies = [stage.facts["reply"] for stage in internet.journey(letter).only("deferred")]
    assert ["no data" in replies[0], "no final" in replies[1]] == [True, True]
    assert copies(internet) == 1
