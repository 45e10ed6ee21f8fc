"""Advancing the clock of `mailstack dev`, over real sockets."""

from __future__ import annotations

import poplib
import smtplib
import ssl
import time
from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred

from mailstack.net.clock import AdjustableClock
from mailstack.net.log import SilentJournal
from mailstack.sandbox.dev import DevEnvironment, DevSettings
from mailstack.sandbox.dev.time_travel import ClockBusy, TimeTravel
from mailstack.sandbox.faults import Fault
from mailstack.sandbox.simulation import SimulatedReactor
from mailstack.testing.reactor_thread import shared_reactor_thread

DAY = 86400.0


@pytest.fixture(scope="module")
def environment() -> Iterator[DevEnvironment]:
    ground = shared_reactor_thread()
    made: list[DevEnvironment] = []

    async def start() -> None:
        made.append(DevEnvironment(ground.reactor, DevSettings(port_base=0, magic_recipients=True), SilentJournal()))
        await made[0].start()

    ground.call(start)
    yield made[0]
    ground.call(made[0].stop)


@pytest.fixture(autouse=True)
def _no_faults(environment: DevEnvironment) -> Iterator[None]:
    yield
    environment.faults.clear()


def session(environment: DevEnvironment) -> smtplib.SMTP_SSL:
    context = ssl.create_default_context(cafile=str(environment.ca_file))
    client = smtplib.SMTP_SSL("127.0.0.1", environment.services["submissions"].port, context=context, timeout=20)
    client.login("alice", "alice")
    return client


def submit(environment: DevEnvironment, to: str) -> None:
    with session(environment) as client:
        client.sendmail("alice@home.test", [to], b"Subject: hello\r\n\r\nhello\r\n")


def advance(environment: DevEnvironment, span: str) -> float:
    return shared_reactor_thread().call(lambda: environment.travel.advance(span))


def fetched(environment: DevEnvironment, user: str) -> list[str]:
    """Every letter of a mailbox whose password is its name; they are deleted."""
    context = ssl.create_default_context(cafile=str(environment.ca_file))
    client = poplib.POP3_SSL("127.0.0.1", environment.services["pop3s"].port, context=context, timeout=20)
    client.user(user)
    client.pass_(user)
    letters = [b"\n".join(client.retr(number)[1]).decode() for number in range(1, client.stat()[0] + 1)]
    for number in range(1, len(letters) + 1):
        client.dele(number)
    client.quit()
    return letters


def test_five_days_of_retries_happen_now_and_no_connection_breaks(environment: DevEnvironment) -> None:
    rule = environment.faults.add(Fault(at="mail", server="mx.world.test", reply="451 4.3.0 not now"))
    submit(environment, "carol@elsewhere.test")
    with session(environment) as idle:
        idle.mail("alice@home.test")
        began, before = time.monotonic(), environment.travel.now
        assert advance(environment, "5d") == pytest.approx(before + 5 * DAY, abs=60)
        assert time.monotonic() - began < 60
        assert idle.rcpt("bob@home.test")[0] == 250, "a transaction that was open goes on"
    assert 30 < environment.faults.fired(rule.id) < 60
    delayed, bounced = fetched(environment, "alice")
    assert "Subject: Your message is delayed" in delayed
    assert "gave up after trying for 5 days" in bounced
    day = time.strftime("%d %b %Y", time.gmtime(environment.travel.now))
    assert day.lstrip("0") in bounced, "what is written carries the time that it is now"
    assert environment.travel.ahead == pytest.approx(5 * DAY, abs=60)


def test_a_letter_that_was_put_off_arrives_when_its_time_has_come(environment: DevEnvironment) -> None:
    environment.faults.add(Fault(at="final", server="mx.world.test", reply="452 4.3.1 full", times=2))
    submit(environment, "dave@elsewhere.test")
    advance(environment, "1m")
    assert fetched(environment, "dave@elsewhere.test") == []
    advance(environment, "1h")
    assert len(fetched(environment, "dave@elsewhere.test")) == 1


def test_magic_recipients_and_their_queue(environment: DevEnvironment) -> None:
    with pytest.raises(smtplib.SMTPDataError, match="550"):
        submit(environment, "permerror@elsewhere.test")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        submit(environment, "rcptto451@elsewhere.test")
    submit(environment, "queue550@elsewhere.test")
    advance(environment, "10s")
    (report,) = fetched(environment, "alice")
    assert "fault requested by queue550" in report


def test_certificates_that_are_bad(environment: DevEnvironment) -> None:
    for kind, reason in (("expired", "expired"), ("self-signed", "self-signed"), ("wrong-name", "mismatch")):
        environment.faults.add({"at": "tls", "service": "submissions", "tls": kind, "times": 1})
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            session(environment)
    environment.faults.add(Fault(at="tls", service="submissions", tls="refused", times=1))
    with pytest.raises(ssl.SSLError):
        session(environment)
    session(environment).quit()


def test_a_span_is_forwards_and_only_so_long(environment: DevEnvironment) -> None:
    for span in ("-5d", "soon", "11w 5x"):
        with pytest.raises(ValueError, match="duration"):
            advance(environment, span)
    with pytest.raises(ValueError, match="ten years"):
        shared_reactor_thread().call(lambda: environment.travel.advance(-1.0))


def test_what_takes_its_real_time_is_not_hurried() -> None:
    """A host that never answers: the journey stops before it, and says so."""
    reactor = SimulatedReactor()
    clock = AdjustableClock(reactor)
    clock.spawn(clock.pause(3600))

    async def nothing() -> None:
        return None

    travel = TimeTravel(clock, [nothing])
    with pytest.raises(ClockBusy, match="has been active"):
        reactor.result_of(travel.advance("1d"))
    assert clock.ahead == 0


def test_a_journey_with_very_many_stops_is_interrupted_and_goes_on() -> None:
    reactor = SimulatedReactor()
    clock = AdjustableClock(reactor)
    begun = clock.now()

    async def every_second() -> float:
        return clock.now() + 1

    travel = TimeTravel(clock, [every_second])
    with pytest.raises(ClockBusy, match="advance again"):
        reactor.result_of(travel.advance("5d"))
    assert begun < travel.now < begun + 5 * DAY
    assert travel.ahead > 0


def test_one_journey_at_a_time() -> None:
    reactor = SimulatedReactor()

    async def nothing() -> None:
        return None

    travel = TimeTravel(AdjustableClock(reactor), [nothing])
    first = Deferred.fromCoroutine(travel.advance("1d"))
    with pytest.raises(ClockBusy, match="already advancing"):
        reactor.result_of(travel.advance("1d"))
    reactor.result_of(first)
    assert travel.ahead == pytest.approx(DAY, abs=1)


def test_what_is_due_and_does_not_happen_holds_nobody_for_ever() -> None:
    reactor = SimulatedReactor()
    clock = AdjustableClock(reactor)
    due = clock.now() + 10

    async def always() -> float:
        return due

    travel = TimeTravel(clock, [always])
    reactor.result_of(travel.advance("1m"))
    assert travel.ahead == pytest.approx(60, abs=1)
