"""Order and limits of the backlog."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient
from mailstack.letter.delivery import Delivery
from mailstack.letter.letter import Octets
from mailstack.queue.attempt import DeliveryJob
from mailstack.queue.backlog import Backlog

LETTER = Letter(LetterId("x"), Envelope(Address("a", "b.test"), ()), Octets(b""), Arrival(0, "b.test", "SMTP"))


def job(destination: str) -> DeliveryJob:
    return DeliveryJob(LETTER, destination, ())


def started(backlog: Backlog) -> list[str]:
    return [job.destination for job in iter(backlog.start, None)]


def end(backlog: Backlog, destination: str) -> None:
    backlog.done(job(destination))
    backlog.written(job(destination))


def test_destinations_take_turns():
    backlog = Backlog(concurrency=4, per_destination=10, max_jobs=100)
    for destination in ("a", "a", "a", "b", "c"):
        backlog.add(job(destination))
    assert started(backlog) == ["a", "b", "c", "a"]


def test_one_destination_gets_no_more_than_its_share():
    """RLY-13."""
    backlog = Backlog(concurrency=100, per_destination=2, max_jobs=100)
    for _ in range(5):
        backlog.add(job("a"))
    assert started(backlog) == ["a", "a"]
    backlog.done(job("a"))
    assert started(backlog) == ["a"]


def test_reports_leave_room_for_what_somebody_has_just_sent():
    """A stranger may have any number of reports go to hosts of his own, each of which takes an hour."""
    backlog = Backlog(concurrency=8, per_destination=1, max_jobs=100)
    report = replace(LETTER, envelope=Envelope(None, ()))
    for number in range(20):
        backlog.add(DeliveryJob(report, f"{number}.evil.test", ()))
    assert len(started(backlog)) == 2, "nor for what did not arrive at once"
    for number in range(20):
        again = Delivery(LETTER.id, 1, Recipient(Address("x", "y.test")), f"{number}.slow.test", attempts=2)
        backlog.add(DeliveryJob(LETTER, again.destination, (again,)))
    assert started(backlog) == [f"{number}.slow.test" for number in range(4)]
    backlog.add(job("a"))
    backlog.add(job("b"))
    assert started(backlog) == ["a", "b"]
    backlog.done(DeliveryJob(report, "0.evil.test", ()))
    end(backlog, "a")
    assert len(started(backlog)) == 1


def test_a_slow_destination_leaves_room_for_others():
    backlog = Backlog(concurrency=1, per_destination=1, max_jobs=100)
    taken = {"slow": 0, "slower": 0}
    for destination in taken:
        while backlog.has_capacity(destination):
            backlog.add(job(destination))
            taken[destination] += 1
    assert taken == {"slow": 50, "slower": 25}
    assert backlog.has_capacity("other")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_every_job_is_started_once_within_the_limits(moves):
    backlog = Backlog(concurrency=3, per_destination=2, max_jobs=100)
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
    backlog = Backlog(concurrency=100, per_destination=2, max_jobs=100)
    for number, (destination, priority) in enumerate([("a", 0), ("b", -1), ("a", 5), ("a", 9), ("c", 5)]):
        delivery = Delivery(LETTER.id, number, Recipient(Address("x", destination)), destination, priority=priority)
        backlog.add(DeliveryJob(LETTER, destination, (delivery,)))
    order = []
    while (one := backlog.start()) is not None:
        order.append((one.destination, one.priority))
    assert order == [("a", 9), ("a", 5), ("c", 5), ("b", -1)]
    backlog.done(job("a"))
    assert backlog.start() is not None
    assert backlog.has_capacity("a")


def attempted(destination: str, attempts: int) -> DeliveryJob:
    delivery = Delivery(LETTER.id, 0, Recipient(Address("x", destination)), destination, attempts=attempts)
    return DeliveryJob(LETTER, destination, (delivery,))


def test_letters_that_failed_before_leave_room_for_fresh_ones():
    """RLY-13."""
    backlog = Backlog(concurrency=4, per_destination=4, max_jobs=100)
    for number in range(10):
        backlog.add(attempted(f"dead{number}", 2))
    assert started(backlog) == ["dead0", "dead1", "dead2"]
    backlog.add(attempted("fresh", 1))
    assert started(backlog) == ["fresh"]


def test_fresh_letters_and_others_take_turns():
    backlog = Backlog(concurrency=4, per_destination=4, max_jobs=100)
    for number in range(3):
        backlog.add(attempted(f"fresh{number}", 1))
        backlog.add(attempted(f"old{number}", 2))
    assert started(backlog) == ["fresh0", "old0", "fresh1", "old1"]


def test_a_destination_that_fails_gets_less():
    backlog = Backlog(concurrency=100, per_destination=20, first=3, max_jobs=100)
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


def test_what_waits_for_a_destination_is_kept_when_its_window_is_forgotten():
    backlog = Backlog(concurrency=100, per_destination=2, max_jobs=100_000)
    for _ in range(4):
        backlog.add(job("a"))
    assert started(backlog) == ["a", "a"]
    backlog.done(job("a"), reached=False)
    assert backlog.start() is None
    for number in range(10_000):
        backlog.add(job(f"{number}"))
        (other,) = started(backlog)
        backlog.done(job(other), reached=True)
        backlog.written(job(other))
    for _ in range(2):
        backlog.add(job("a"))
    begun = started(backlog)
    for _ in range(5):
        backlog.done(job("a"), reached=True)
        begun += started(backlog)
    assert begun == ["a"] * 4


class Places:
    """A backlog, and what it should count."""

    def __init__(self) -> None:
        self.backlog = Backlog(concurrency=3, per_destination=2, max_jobs=50)
        self.active: list[DeliveryJob] = []
        self.ended: list[DeliveryJob] = []
        self.waiting = 0
        self.numbers = itertools.count()

    def add(self, which: int) -> None:
        if self.backlog.has_capacity("abc"[which]):
            self.backlog.add(DeliveryJob(replace(LETTER, id=LetterId(str(next(self.numbers)))), "abc"[which], ()))
            self.waiting += 1

    def start(self, _which: int = 0) -> None:
        if (one := self.backlog.start()) is not None:
            self.active.append(one)
            self.waiting -= 1

    def put_back(self, which: int) -> None:
        if self.active:
            self.backlog.put_back(self.active.pop(which % len(self.active)))
            self.waiting += 1

    def end(self, which: int = 1) -> None:
        if self.active:
            one = self.active.pop(0)
            self.backlog.done(one, reached=which > 0)
            self.ended.append(one)

    def write(self, _which: int = 0) -> None:
        if self.ended:
            self.backlog.written(self.ended.pop(0))

    def check(self) -> None:
        active = [one.destination for one in self.active]
        assert self.backlog.active == len(active) <= 3
        assert self.backlog.finished == len(self.ended)
        assert len(self.backlog) == len(active) + len(self.ended) + self.waiting
        assert max(map(active.count, active), default=0) <= 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Places.add, Places.start, Places.put_back, Places.end, Places.write]), st.integers(0, 2)
        ),
        max_size=60,
    )
)
def test_whatever_happens_places_are_counted_right(happenings):
    """No destination ever has more than its window."""
    places = Places()
    for do, which in happenings:
        do(places, which)
        places.check()
    for _ in range(200):
        for step in (places.start, places.end, places.write):
            step()
    places.check()
    assert (len(places.backlog), places.backlog.octets) == (0, 0)


# --- silent hosts


def test_destinations_known_as_silent_have_half_of_the_connections():
    """RLY-13."""
    backlog = Backlog(concurrency=8, per_destination=2, max_jobs=100)
    for number in range(20):
        backlog.mark_silent(f"silent{number}")
        backlog.add(job(f"silent{number}"))
    assert len(started(backlog)) == 4
    assert backlog.silent_wait == 16
    assert not backlog.is_crowded
    backlog.add(job("fresh"))
    assert started(backlog) == ["fresh"]


def test_while_silent_hosts_have_their_half_a_quarter_is_for_those_that_took_letters_and_new_ones_go_first():
    """RLY-13."""
    backlog = Backlog(concurrency=8, per_destination=8, max_jobs=100)
    jobs = [job(f"new{number}") for number in range(20)]
    backlog.add(job("proven"))
    assert started(backlog) == ["proven"]
    backlog.done(job("proven"), reached=True)
    for one in jobs:
        backlog.add(one)
    assert len(started(backlog)) == 8
    for one in jobs[:8]:
        backlog.mark_job_silent(one)
    assert backlog.is_crowded
    assert backlog.silent_surplus == 4
    for one in jobs[4:8]:
        backlog.mark_silent(one.destination)
        backlog.put_back(one)
    assert started(backlog) == ["new19", "new8"]
    backlog.add(job("proven"))
    backlog.add(job("proven"))
    backlog.add(job("proven"))
    assert started(backlog) == ["proven", "proven"]
    assert backlog.is_crowded


def test_letters_for_silent_hosts_have_half_of_the_backlog():
    backlog = Backlog(concurrency=2, per_destination=1, max_jobs=100)
    taken = 0
    for number in range(200):
        backlog.mark_silent(f"silent{number}")
        if backlog.has_capacity(f"silent{number}"):
            backlog.add(job(f"silent{number}"))
            taken += 1
    assert taken == 50
    assert backlog.has_capacity("fresh")


def test_a_destination_that_takes_a_letter_is_silent_no_longer():
    backlog = Backlog(concurrency=8, per_destination=1, max_jobs=100)
    backlog.mark_silent("a")
    for _ in range(2):
        backlog.add(job("a"))
    assert started(backlog) == ["a"]
    assert backlog.is_known_silent("a")
    backlog.done(job("a"), reached=True)
    assert not backlog.is_known_silent("a")
    assert backlog.has_capacity("a")
    assert started(backlog) == ["a"]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5)), max_size=120))
def test_every_job_ends_once_whatever_falls_silent_speaks_or_is_put_back(moves):
    backlog = Backlog(concurrency=4, per_destination=2, max_jobs=1000)
    active: list[DeliveryJob] = []
    added = ended = 0

    def start():
        while (one := backlog.start()) is not None:
            active.append(one)

    for destination, move in moves:
        one = active[0] if active else None
        if move == 0 or one is None:
            backlog.add(job(destination))
            added += 1
        elif move == 1:
            backlog.mark_job_silent(one)
            backlog.mark_silent(one.destination)
        elif move == 2:
            backlog.mark_responding(one)
        elif move == 3:
            backlog.mark_silent(one.destination)
            backlog.put_back(active.pop(0))
        else:
            backlog.done(active.pop(0), reached=move == 4, silent=move == 5)
            backlog.written(one)
            ended += 1
        start()
        assert backlog.active == len(active) <= 4
        assert len(backlog) == added - ended
        assert len([each for each in active if backlog.is_silent(each)]) <= 4
    while active:
        one = active.pop(0)
        backlog.done(one, reached=True)
        backlog.written(one)
        ended += 1
        start()
    assert ended == added
    assert len(backlog) == 0
    assert backlog.silent_surplus == backlog.silent_wait == 0
    assert backlog.has_capacity("a")
