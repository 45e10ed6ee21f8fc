"""Damaged letters: held with the reason, while others leave."""

from __future__ import annotations

import logging

import pytest

from mailstack.letter import Letter
from mailstack.letter.delivery import Delivery
from mailstack.queue.admin import QueueAdmin
from mailstack.queue.attempt import Attempt, ProgressWatch
from mailstack.store import Damaged, StoreError
from tests.aid import run
from tests.queue.rig import RARE_POLLS, Rig, ScriptedRelay, a_letter


class ReadingRelay(ScriptedRelay):
    """A relay that raises what the store said of a letter."""

    def __init__(self) -> None:
        super().__init__()
        self.troubles: dict[str, StoreError] = {}

    async def deliver(
        self, letter: Letter, deliveries: tuple[Delivery, ...], watch: ProgressWatch | None = None, /
    ) -> Attempt:
        attempt = await super().deliver(letter, deliveries, watch)
        if letter.id in self.troubles:
            raise self.troubles[letter.id]
        return attempt


@pytest.fixture
def rig():
    rig = Rig(relay=ReadingRelay(), limits=RARE_POLLS)
    yield rig
    assert not rig.clock.bugs


def test_a_damaged_letter_is_held_and_the_next_ones_leave(rig, caplog: pytest.LogCaptureFixture) -> None:
    letter = a_letter("carol@else.test", "dave@else.test")
    rig.relay.troubles[letter.id] = Damaged("content file 17 is not what was accepted")
    with caplog.at_level(logging.ERROR):
        rig.accept(letter)
    assert rig.states(letter) == ["held", "held"]
    for delivery in rig.record(letter).deliveries:
        assert delivery.text.endswith("content file 17 is not what was accepted")
        assert delivery.claimed_by is None
    (said,) = [record.getMessage() for record in caplog.records]
    assert letter.id in said
    assert "content file 17" in said
    held = [step for step in rig.journal.steps if step.step == "held"]
    assert [step.facts["recipient"] for step in held] == ["carol@else.test", "dave@else.test"]
    assert rig.states(rig.accept(a_letter("carol@else.test"))) == ["relayed"]
    rig.clock.advance(7 * 86400.0)
    assert rig.states(letter) == ["held", "held"], "it is never given up"


def test_it_leaves_when_it_was_restored_and_released(rig) -> None:
    letter = a_letter("carol@else.test")
    rig.relay.troubles[letter.id] = Damaged("content file 17 is not there")
    rig.accept(letter)
    assert rig.states(letter) == ["held"]
    del rig.relay.troubles[letter.id]
    run(QueueAdmin(rig.store, rig.clock.now).release([letter.id]))
    rig.clock.advance(60.0)
    assert rig.states(letter) == ["relayed"]


def test_a_store_that_can_not_be_read_for_a_while_defers_letters(rig, caplog: pytest.LogCaptureFixture) -> None:
    letter = a_letter("carol@else.test")
    rig.relay.troubles[letter.id] = StoreError("the object store is away")
    rig.accept(letter)
    (delivery,) = rig.record(letter).deliveries
    assert (delivery.state.value, str(delivery.status)) == ("queued", "4.3.0")
    assert "bug" not in caplog.text
    del rig.relay.troubles[letter.id]
    rig.clock.advance(86400.0)
    assert rig.states(letter) == ["relayed"]
