"""Faults of DNS, connections and the disk."""

from __future__ import annotations

import pytest

from mailstack.sandbox.faults import Fault, disk_full, host_down
from mailstack.sandbox.simulation import Internet, SubmissionRefused


@pytest.fixture
def internet() -> Internet:
    internet = Internet(7)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
    return internet


def send(internet: Internet) -> list[str]:
    letter = internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    internet.run(at_most="10d")
    return internet.journey(letter).steps


@pytest.mark.parametrize("answer", ["servfail", "timeout"])
def test_a_name_that_can_not_be_looked_up_now(internet: Internet, answer: str) -> None:
    internet.faults.add(Fault(at="dns", server="mx.a.test", name="b.test", answer=answer, times=1))  # type: ignore[arg-type]
    assert send(internet).count("deferred") == 1
    assert len(internet.reader("bob@b.test").collect()) == 1


def test_a_name_that_does_not_exist(internet: Internet) -> None:
    internet.faults.add(Fault(at="dns", name="*.b.test", answer="nxdomain"))
    internet.faults.add(Fault(at="dns", name="b.test", answer="nxdomain"))
    assert send(internet)[-1] == "bounced"


def test_a_name_without_records(internet: Internet) -> None:
    internet.faults.add(Fault(at="dns", name="mx.b.test", answer="nodata", times=1))
    assert send(internet).count("deferred") <= 1


def test_a_name_that_is_found_slowly(internet: Internet) -> None:
    internet.faults.add(Fault(at="dns", name="b.test", delay="15s", times=1))
    assert "deferred" not in send(internet)
    assert internet.now > 15


def test_a_host_that_refuses_calls(internet: Internet) -> None:
    internet.faults.add(host_down(internet.servers["mx.b.test"].address, times=2))
    assert send(internet).count("deferred") == 2
    assert len(internet.reader("bob@b.test").collect()) == 1


@pytest.mark.parametrize("rule", [{"silence": True}, {"delay": "1h"}])
def test_a_host_that_does_not_answer_calls(internet: Internet, rule: dict[str, object]) -> None:
    internet.faults.add({"at": "call", "server": "mx.a.test", "times": 1, **rule})
    assert send(internet).count("deferred") == 1
    assert internet.now > 30
    assert len(internet.reader("bob@b.test").collect()) == 1


@pytest.mark.parametrize(("error", "said"), [("failed", "451 4.3.0"), ("full", "452 4.3.1")])
def test_a_disk_that_can_not_be_written_puts_letters_off(internet: Internet, error: str, said: str) -> None:
    internet.faults.add(Fault(at="disk", server="mx.a.test", name="queue.accept", error=error, times=1))  # type: ignore[arg-type]
    ann = internet.author("ann@a.test")
    with pytest.raises(SubmissionRefused, match=said):
        ann.submit(to="bob@b.test", text="?")
    assert "relayed" in send(internet)
    assert len(internet.reader("bob@b.test").collect()) == 1


def test_an_outcome_that_can_not_be_stored_at_once_is_stored_later(internet: Internet) -> None:
    id_ = internet.faults.add(disk_full(server="mx.a.test", name="queue.settle", times=3)).id
    assert "relayed" in send(internet)
    assert internet.faults.fired(id_) == 3
    assert len(internet.reader("bob@b.test").collect()) == 1, "a trouble of the disk does not send a letter twice"


def test_a_slow_disk_makes_the_client_wait(internet: Internet) -> None:
    internet.faults.add(Fault(at="disk", server="mx.a.test", name="queue.accept", delay="20s", times=1))
    send(internet)
    assert internet.now > 20
