"""Attempts that are called behind another one: they have its place when it is over, and none before."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred as Later

from mailstack.letter import Letter
from mailstack.queue.attempt import Attempt
from mailstack.queue.delivery import Delivery
from mailstack.queue.limits import RunnerLimits
from mailstack.queue.turn import Turn
from mailstack.store import Rule
from mailstack.store.memory import MemoryStore
from tests.aid import run
from tests.queue.letters import a_letter
from tests.queue.rig import TAKEN, Rig


class Callers:
    """An agent whose attempts wait until their turn is their own, then call the next one when a test says so, or at once."""

    def __init__(self) -> None:
        self.waits = True
        self.begun: list[str] = []
        self.had_turn: list[str] = []
        self.under_way: list[tuple[Turn, Later[None]]] = []

    async def deliver(self, letter: Letter, deliveries: tuple[Delivery, ...], turn: Turn | None = None, /) -> Attempt:
        assert turn is not None
        address = str(deliveries[0].recipient.address).partition("@")[0]
        self.begun.append(address)
        if address.startswith("fails"):
            raise ZeroDivisionError
        if not address.startswith("never"):
            await turn.mine()
            self.had_turn.append(address)
            if self.waits:
                answered: Later[None] = Later()
                self.under_way.append((turn, answered))
                await answered
            else:
                turn.call_next()
        return Attempt((TAKEN,) * len(deliveries))

    def call(self, number: int = 0) -> None:
        """The attempt is about to end."""
        self.under_way[number][0].call_next()

    def answer(self, number: int = 0) -> None:
        """It ends."""
        self.under_way.pop(number)[1].callback(None)


@pytest.fixture
def callers() -> Callers:
    return Callers()


class Doubtful(MemoryStore):
    """Before `since` others may have believed that this process is dead."""

    since = 0.0

    def tenure(self) -> float | None:
        return self.since


def a_rig(callers: Callers, places: int = 1, store: MemoryStore | None = None) -> Rig:
    limits = RunnerLimits(per_destination=places, first_per_destination=places, poll=1.0, patience=10.0)
    return Rig(limits=limits, relay=callers, store=store)


def test_the_next_one_begins_before_and_has_its_turn_when_the_one_before_is_written_down(callers: Callers) -> None:
    rig = a_rig(callers)
    letters = [rig.accept(a_letter(f"{name}@else.test")) for name in "abc"]
    assert callers.begun == ["a"]
    callers.call()
    assert (callers.begun, callers.had_turn) == (["a", "b"], ["a"])
    callers.call()
    assert callers.begun == ["a", "b"], "each calls one"
    callers.answer()
    assert rig.states(letters[0]) == ["relayed"]
    assert (callers.begun, callers.had_turn) == (["a", "b"], ["a", "b"])
    callers.answer()
    callers.answer()
    assert [rig.states(letter) for letter in letters] == [["relayed"]] * 3


@pytest.mark.parametrize("name", ["never", "fails"])
def test_an_attempt_that_ends_at_once_gives_its_place_to_nobody_before_it_has_it(callers: Callers, name: str) -> None:
    rig = a_rig(callers)
    letters = [rig.accept(a_letter(f"{each}@else.test")) for each in ("a", name, "c", "d")]
    callers.call()
    assert callers.begun == ["a", name]
    assert rig.states(letters[1]) == ["queued"]
    callers.answer()
    assert rig.states(letters[1]) == (["relayed"] if name == "never" else ["queued"])
    assert callers.had_turn == ["a", "c"]
    assert rig.clock.bugs == []


def test_who_waits_too_long_has_the_next_place_that_is_free_as_if_never_called(callers: Callers) -> None:
    rig = a_rig(callers, places=2)
    letters = [rig.accept(a_letter(f"{name}@else.test")) for name in "abcd"]
    callers.call()
    assert (callers.begun, callers.had_turn) == (["a", "b", "c"], ["a", "b"])
    rig.clock.advance(9)
    callers.call(1)
    assert callers.begun == ["a", "b", "c", "d"]
    rig.clock.advance(3)
    # c was called first, and waits no longer for a; d does for b.
    assert len(callers.begun) == 4
    callers.answer(1)
    assert callers.had_turn == ["a", "b", "d"]
    callers.answer(1)
    assert callers.had_turn == ["a", "b", "d", "c"]
    callers.answer()
    callers.answer()
    assert [rig.states(letter) for letter in letters] == [["relayed"]] * 4
    assert [rig.record(letter).deliveries[0].attempts for letter in letters] == [1] * 4
    assert [rig.steps(letter).count("relayed") for letter in letters] == [1] * 4


def test_any_number_that_end_one_in_the_other_end_by_a_loop(callers: Callers) -> None:
    rig = a_rig(callers)
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(400)]
    callers.waits = False
    callers.call()
    callers.answer()
    assert len(callers.had_turn) == 400
    assert {state for letter in letters for state in rig.states(letter)} == {"relayed"}


def test_who_was_called_and_had_no_turn_when_the_office_has_stopped_never_has_one(callers: Callers) -> None:
    """Who starts next attempts it, and it must not go twice."""
    rig = a_rig(callers)
    letters = [rig.accept(a_letter(f"{name}@else.test")) for name in "ab"]
    callers.call()
    stopped: list[bool] = []
    rig.runner.stop(lambda: stopped.append(True), 5.0)
    rig.clock.advance(5)
    assert stopped == [True]
    callers.answer()
    assert callers.had_turn == ["a"]
    assert rig.states(letters[1]) == ["queued"]
    assert rig.clock.bugs == []


def test_who_is_held_when_called_is_asked_for_again_when_the_turn_is_his(callers: Callers) -> None:
    """An order that was taken back meanwhile found nothing to release."""
    rig = a_rig(callers)
    letters = [rig.accept(a_letter(f"{name}@else.test")) for name in "ab"]
    run(rig.store.add_rule(Rule("r1", "hold", created=rig.clock.now(), recipient="b@else.test")))
    run(rig.runner.standing.refresh())
    callers.call()
    assert callers.begun == ["a"]
    run(rig.store.remove_rule("r1"))
    run(rig.runner.standing.refresh())
    callers.answer()
    assert callers.had_turn == ["a", "b"]
    callers.answer()
    assert [rig.states(letter) for letter in letters] == [["relayed"]] * 2


def test_a_claim_that_others_may_have_taken_over_is_not_called_and_keeps_no_place(callers: Callers) -> None:
    store = Doubtful()
    rig = a_rig(callers, store=store)
    letters = [rig.accept(a_letter(f"{name}@else.test")) for name in "ab"]
    rig.clock.advance(0.5)
    store.since = rig.clock.now()
    callers.call()
    assert callers.begun == ["a"]
    assert rig.runner._backlog.active == 1
    assert not rig.runner._backlog.ended
    callers.answer()
    assert rig.states(letters[0]) == ["relayed"]
    rig.clock.advance(2)
    assert callers.had_turn == ["a", "b"]
    callers.answer()
    assert rig.states(letters[1]) == ["relayed"]


def test_an_office_that_stops_ends_what_was_called_and_calls_nobody(callers: Callers) -> None:
    rig = a_rig(callers)
    letters = [rig.accept(a_letter(f"{name}@else.test")) for name in "abc"]
    callers.call()
    stopped: list[bool] = []
    rig.runner.stop(lambda: stopped.append(True))
    callers.answer()
    assert (callers.had_turn, stopped) == (["a", "b"], [])
    callers.call()
    callers.answer()
    assert stopped == [True]
    assert [rig.states(letter) for letter in letters] == [["relayed"], ["relayed"], ["queued"]]
