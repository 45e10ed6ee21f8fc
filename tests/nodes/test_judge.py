"""The judge finds what is lost, doubled or nobody's; a copy more at the far host is counted, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.ledger import Ledger
from tests.nodes.far import FarHost
from tests.nodes.judge import Tally, weigh
from tests.nodes.people import People

HERE, THERE = "r0@home.test", "carol@far.test"


@pytest.fixture
def people() -> People:
    """A letter was promised to both."""
    people = People(Ledger(), "t")
    people.ledger.acknowledge("t-1", "id", (HERE, THERE))
    return people


@pytest.fixture
def far() -> Iterator[FarHost]:
    with FarHost() as far:
        yield far


def test_all_is_well(people: People, far: FarHost) -> None:
    people.ledger.take(HERE, ["t-1"], answered=True)
    far.take("t-1", [THERE])
    far.take("t-1", [THERE])
    weigh(people, far, "home.test", tally := Tally())
    assert (tally.acknowledged, tally.deliveries_here, tally.deliveries_far, tally.twice_far) == (1, 1, 2, 1)


def test_lost_here(people: People, far: FarHost) -> None:
    far.take("t-1", [THERE])
    with pytest.raises(AssertionError, match=r"1 lost.*r0@"):
        weigh(people, far, "home.test", Tally())


def test_lost_on_the_way(people: People, far: FarHost) -> None:
    people.ledger.take(HERE, ["t-1"], answered=True)
    with pytest.raises(AssertionError, match=r"1 lost.*carol"):
        weigh(people, far, "home.test", Tally())


def test_doubled_in_a_mailbox(people: People, far: FarHost) -> None:
    people.ledger.take(HERE, ["t-1", "t-1"], answered=True)
    far.take("t-1", [THERE])
    with pytest.raises(AssertionError, match="doubled"):
        weigh(people, far, "home.test", Tally())


def test_what_was_refused_may_be_there_and_what_nobody_sent_may_not(people: People, far: FarHost) -> None:
    people.ledger.take(HERE, ["t-1", "t-2"], answered=True)
    far.take("t-1", [THERE])
    with pytest.raises(AssertionError, match="nobody sent"):
        weigh(people, far, "home.test", Tally())
    people.unanswered.add("t-2")
    weigh(people, far, "home.test", tally := Tally())
    assert tally.unanswered_taken == 1


def test_a_deletion_without_an_answer_is_counted_as_doubtful(people: People, far: FarHost) -> None:
    people.ledger.take(HERE, ["t-1"], answered=False)
    far.take("t-1", [THERE])
    weigh(people, far, "home.test", tally := Tally())
    assert tally.doubtful == 1
