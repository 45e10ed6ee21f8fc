"""Faults of a POP3 server, as its clients see them."""

from __future__ import annotations

import pytest

from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.pop3.client import Pop3ClientSession, Pop3ConnectionLost, Refused
from mailstack.sandbox.faults import Fault, maildrop_locked, no_uidl
from mailstack.sandbox.simulation import Internet, SimulatedReader


@pytest.fixture
def internet() -> Internet:
    """Bob has two letters."""
    internet = Internet(7)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
    bob = internet.author("bob@b.test")
    for number in (1, 2):
        bob.submit(to="bob@b.test", subject=f"Letter {number}", text="0123456789\n" * 1000)
    return internet


@pytest.fixture
def bob(internet: Internet) -> SimulatedReader:
    return internet.reader("bob@b.test")


def opened(internet: Internet, bob: SimulatedReader) -> Pop3ClientSession:
    return internet.result_of(bob.session())


def test_an_error_at_any_command(internet: Internet, bob: SimulatedReader) -> None:
    for verb, ask in {
        "stat": lambda session: session.stat(),
        "list": lambda session: session.list(),
        "uidl": lambda session: session.uidl(),
        "retr": lambda session: session.retr(1),
        "top": lambda session: session.top(1, 0),
        "dele": lambda session: session.dele(1),
        "noop": lambda session: session.noop(),
        "rset": lambda session: session.rset(),
    }.items():
        internet.faults.add(Fault(at=f"pop3.{verb}", reply=f"-ERR [SYS/TEMP] no {verb} now", times=1))
        session = opened(internet, bob)
        with pytest.raises(Refused, match=f"no {verb} now"):
            internet.result_of(ask(session))
        internet.result_of(ask(session))
        internet.result_of(session.rset())
        internet.result_of(session.quit())
    internet.faults.add(Fault(at="pop3.any", reply="-ERR no", times=1))
    with pytest.raises(Refused):
        bob.collect()
    assert len(bob.collect()) == 2


def test_a_maildrop_that_is_locked(internet: Internet, bob: SimulatedReader) -> None:
    internet.faults.add(maildrop_locked(times=1))
    with pytest.raises(Refused, match="locked") as refused:
        bob.collect()
    assert refused.value.code == "IN-USE"
    assert len(bob.collect()) == 2


def test_a_server_without_uidl(internet: Internet, bob: SimulatedReader) -> None:
    internet.faults.add(no_uidl())
    session = opened(internet, bob)
    assert not any(line.startswith("UIDL") for line in internet.result_of(session.capabilities()))
    assert "TOP" in internet.result_of(session.capabilities())
    with pytest.raises(Refused):
        internet.result_of(session.uidl())
    assert internet.result_of(session.stat())[0] == 2


@pytest.mark.parametrize("verb", ["retr", "top"])
def test_a_letter_that_comes_slowly(internet: Internet, bob: SimulatedReader, verb: str) -> None:
    internet.faults.add(Fault(at=f"pop3.{verb}", delay="2m"))
    session, before = opened(internet, bob), internet.now
    internet.result_of(session.retr(1) if verb == "retr" else session.top(1, 0))
    assert 120 < internet.now - before < 121


def test_a_letter_that_breaks_off(internet: Internet, bob: SimulatedReader) -> None:
    internet.faults.add(Fault(at="pop3.retr", drop="before", octets=5000, times=1))
    with pytest.raises(Pop3ConnectionLost):
        bob.collect()
    assert len(bob.collect()) == 2, "what was not acknowledged is still there"


def test_sizes_that_are_lies(internet: Internet, bob: SimulatedReader) -> None:
    session = opened(internet, bob)
    (_, truly), each = internet.result_of(session.stat()), internet.result_of(session.list())
    for at in ("pop3.stat", "pop3.list", "pop3.retr"):
        internet.faults.add(Fault(at=at, sizes=0.5))
    assert internet.result_of(session.stat()) == (2, truly // 2)
    assert internet.result_of(session.list()) == {number: size // 2 for number, size in each.items()}
    assert len(internet.result_of(session.retr(1))) == each[1], "the letter itself is whole"
    assert f"+OK {each[1] // 2} octets" in internet.transcript


@pytest.mark.parametrize(
    ("effect", "value"),
    [
        ("reply", "-ERR go away"),
        ("drop", "before"),
        ("drop", "after"),
        ("silence", True),
        ("garbage", "HTTP/1.1 200\r\n"),
    ],
)
def test_a_fault_of_the_greeting(internet: Internet, bob: SimulatedReader, effect: str, value: object) -> None:
    internet.faults.add({"at": "pop3.connect", "times": 1, effect: value})
    with pytest.raises((Pop3ConnectionLost, Refused, ConnectFailed)):
        bob.collect()
    assert len(bob.collect()) == 2


def test_a_lost_answer_to_quit_leaves_no_letters(internet: Internet, bob: SimulatedReader) -> None:
    internet.faults.add(Fault(at="pop3.quit", drop="before", times=1))
    with pytest.raises(Pop3ConnectionLost):
        bob.collect()
    assert bob.collect() == []


def test_a_silent_server_is_given_up(internet: Internet, bob: SimulatedReader) -> None:
    internet.faults.add(Fault(at="pop3.retr", silence=True, times=1))
    before = internet.now
    with pytest.raises(Pop3ConnectionLost):
        bob.collect()
    assert internet.now - before >= 600
    internet.advance("2h")
    assert len(bob.collect()) == 2
