"""Log lines of steps, with untrusted values."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel

from mailstack.letter import LetterId
from mailstack.letter.delivery import Step
from mailstack.letter.times import iso8601
from mailstack.net.log import LineJournal, StreamObserver, line
from tests.clock import HandClock

LETTER = LetterId("1m85dd5m8zjr0w0")


def step(**facts: object) -> Step:
    return Step(LETTER, 1_780_000_000.25, "mx.home.test", "relayed", facts)


def test_a_step_is_one_line() -> None:
    told = line(step(recipient="carol@elsewhere.test", reply="250 2.0.0 OK", tls={"version": "TLSv1.3"}, host=""))
    assert told == (
        "2026-05-28T20:26:40.250000Z mx.home.test id=1m85dd5m8zjr0w0 step=relayed "
        'recipient=carol@elsewhere.test reply="250 2.0.0 OK" tls=TLSv1.3\n'
    )


@given(st.text(min_size=1))
def test_what_a_peer_says_never_begins_a_line_or_a_key(text: str) -> None:
    told = line(step(reply=text))
    assert told.count("\n") == 1
    assert told.isprintable() or told[:-1].isprintable()
    value = told[told.index(" reply=") + 7 : -1]
    assert value.startswith('"') == value.endswith('"')
    assert '"' not in value.strip('"')
    assert value.startswith('"') or (" " not in value and "=" not in value)


def test_all_steps_of_a_turn_are_one_write() -> None:
    stream, clock = io.StringIO(), HandClock()
    journal = LineJournal(stream, clock)
    journal.record([step()])
    journal.record([step(), step()])
    assert stream.getvalue() == ""
    clock.advance(0)
    assert stream.getvalue().count("\n") == 3


def test_a_stream_that_is_gone_loses_lines_and_nothing_else() -> None:
    stream, clock = io.StringIO(), HandClock()
    journal = LineJournal(stream, clock)
    stream.close()
    journal.record([step()])
    clock.advance(0)
    assert clock.bugs == []


def test_times_are_utc_with_microseconds() -> None:
    assert iso8601(0.5) == "1970-01-01T00:00:00.500000Z"


def test_questions_to_the_dns_are_not_told_one_by_one() -> None:
    """Each costs Twisted four lines; a letter is asked about with several questions."""
    stream = io.StringIO()
    tell = StreamObserver(stream)
    for text in (
        "DNSDatagramProtocol starting on 65177",
        "Starting protocol <twisted.names.dns.DNSDatagramProtocol object at 0x7f>",
        "(UDP Port 65177 Closed)",
        "Stopping protocol <twisted.names.dns.DNSDatagramProtocol object at 0x7f>",
        "Truncated packet (0 bytes) from <twisted.names.dns.DNSProtocol object at 0x7f>",
        "Unexpected message (4711) received from ('192.0.2.66', 53)",
        "mx listens on 127.0.0.1",
    ):
        tell({"log_time": 0.0, "log_level": LogLevel.info, "log_format": "{text}", "text": text})
    assert stream.getvalue() == "1970-01-01T00:00:00.000000Z info: mx listens on 127.0.0.1\n"


@given(st.text())
def test_what_is_logged_is_one_entry(text: str) -> None:
    """A traceback has many lines. Those behind the first are indented, so that no peer can write one of ours."""
    stream = io.StringIO()
    StreamObserver(stream)(
        {"log_time": 0.0, "log_level": LogLevel.warn, "log_format": "{text}", "text": "said " + text}
    )
    first, *others = stream.getvalue().removesuffix("\n").split("\n")
    assert first.startswith("1970-01-01T00:00:00.000000Z warn: said ")
    assert all(each.startswith("\t") for each in others)
    assert all(each.removeprefix("\t").isprintable() for each in (first, *others))
    assert len(others) == text.count("\n")
