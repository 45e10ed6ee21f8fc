"""Whose turn it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient
from mailstack.letter.content import Octets
from mailstack.queue.backlog import Backlog, Job
from mailstack.queue.delivery import Delivery

LETTER = Letter(LetterId("x"), Envelope(Address("a", "b.test"), ()), Octets(b""), Arrival(0, "b.test", "SMTP"))


def job(destination: str) -> Job:
    return Job(LETTER, destination, ())


def started(backlog: Backlog) -> list[str]:
    found = []
    while (one := backlog.start()) is not None:
        found.append(one.destination)
    return found


def end(backlog: Backlog, destination: str) -> None:
    backlog.done(job(destination))
    backlog.written(job(destination))


def test_destinations_take_turns():
    backlog = Backlog(concurrency=4, per_destination=10, most=100)
    for destination in ("a", "a", "a", "b", "c"):
        backlog.add(job(destination))
    assert started(backlog) == ["a", "b", "c", "a"]


def test_one_destination_gets_no_more_than_its_share():
    """RLY-13."""
    backlog = Backlog(concurrency=100, per_destination=2, most=100)
    for _ in range(5):
        backlog.add(job("a"))
    assert started(backlog) == ["a", "a"]
    backlog.done(job("a"))
    assert started(backlog) == ["a"]


def test_reports_leave_room_for_what_somebody_has_just_sent():
    """A stranger may have any number of reports go to hosts of his own, each of which takes an hour."""
    backlog = Backlog(concurrency=8, per_destination=1, most=100)
    report = replace(LETTER, envelope=Envelope(None, ()))
    for number in range(20):
        backlog.add(Job(report, f"{number}.evil.test", ()))
    assert len(started(backlog)) == 2, "nor for what did not arrive at once"
    for number in range(20):
        again = Delivery(LETTER.id, 1, Recipient(Address("x", "y.test")), f"{number}.slow.test", attempts=2)
        backlog.add(Job(LETTER, again.destination, (again,)))
    assert started(backlog) == [f"{number}.slow.test" for number in range(4)]
    backlog.add(job("a"))
    backlog.add(job("b"))
    assert started(backlog) == ["a", "b"]
    backlog.done(Job(report, "0.evil.test", ()))
    end(backlog, "a")
    assert len(started(backlog)) == 1


def test_a_slow_destination_leaves_room_for_others():
    backlog = Backlog(concurrency=1, per_destination=1, most=100)
    taken = {"slow": 0, "slower": 0}
    for destination in taken:
        while backlog.has_room(destination):
            backlog.add(job(destination))
            taken[destination] += 1
    assert taken == {"slow": 50, "slower": 25}
    assert backlog.has_room("other")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_every_job_is_started_once_within_the_limits(moves):
    backlog = Backlog(concurrency=3, per_destination=2, most=100)
    active: list[str] = []
    added = begun = 0
    for destination, ends in moves:
        if ends and active:
            end(backlog, active.pop(0))
        else:
            backlog.add(job(destination))
            added += 1
        new = started(backlog)
        begun += len(new)
        active += new
        assert backlog.active == len(active) <= 3
        assert all(active.count(name) <= 2 for name in active)
        assert len(backlog) == added - begun + len(active)
    while active:
        end(backlog, active.pop())
        new = started(backlog)
        begun += len(new)
        active += new
    assert begun == added
    assert len(backlog) == 0


def test_the_highest_priority_starts_first():
    """PRIO-01: of one destination, and of different ones."""
    backlog = Backlog(concurrency=100, per_destination=2, most=100)
    for number, (destination, priority) in enumerate([("a", 0), ("b", -1), ("a", 5), ("a", 9), ("c", 5)]):
        delivery = Delivery(LETTER.id, number, Recipient(Address("x", destination)), destination, priority=priority)
        backlog.add(Job(LETTER, destination, (delivery,)))
    order = []
    while (one := backlog.start()) is not None:
        order.append((one.destination, one.priority))
    assert order == [("a", 9), ("a", 5), ("c", 5), ("b", -1)]
    backlog.done(job("a"))
    assert backlog.start() is not None
    assert backlog.has_room("a")


def attempted(destination: str, attempts: int) -> Job:
    delivery = Delivery(LETTER.id, 0, Recipient(Address("x", destination)), destination, attempts=attempts)
    return Job(LETTER, destination, (delivery,))


def test_letters_that_failed_before_leave_room_for_fresh_ones():
    """RLY-13."""
    backlog = Backlog(concurrency=4, per_destination=4, most=100)
    for number in range(10):
        backlog.add(attempted(f"dead{number}", 2))
    assert started(backlog) == ["dead0", "dead1", "dead2"]
    backlog.add(attempted("fresh", 1))
    assert started(backlog) == ["fresh"]


def test_fresh_letters_and_others_take_turns():
    backlog = Backlog(concurrency=4, per_destination=4, most=100)
    for number in range(3):
        backlog.add(attempted(f"fresh{number}", 1))
        backlog.add(attempted(f"old{number}", 2))
    assert started(backlog) == ["fresh0", "old0", "fresh1", "old1"]


def test_a_destination_that_fails_gets_less():
    backlog = Backlog(concurrency=100, per_destination=20, first=3, most=100)
    jobs = [attempted("a", 1) for _ in range(9)]
    for one in jobs:
        backlog.add(one)
    assert started(backlog) == ["a"] * 3
    backlog.done(jobs[0], reached=False)
    assert started(backlog) == []
    backlog.done(jobs[1], reached=False)
    assert started(backlog) == []
    backlog.done(jobs[2], reached=True)
    assert started(backlog) == ["a"] * 2
