"""Interruption of a coroutine at an await."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mailstack.net.scheduler import Task
from mailstack.queue.attempt import Interrupted, Interruptible

BROKEN_OFF = Interrupted("others wait", put_back=True)


class Work:
    """A coroutine that waits twice, under a Task as the attempts of the queue are."""

    def __init__(self) -> None:
        self.first: Deferred[int] = Deferred()
        self.second: Deferred[int] = Deferred()
        self.told: list[Any] = []
        self.ended: list[Failure | None] = []
        self.work = Interruptible(self._wait())
        Task(self._outer(), self.ended.append).resume()

    async def _wait(self) -> int:
        try:
            return await self.first + await self.second
        except Exception as error:
            self.told.append(error)
            raise
        except BaseException as error:
            self.told.append(error)
            raise

    async def _outer(self) -> None:
        self.told.append(await self.work)


def test_uninterrupted_it_gives_the_same_result() -> None:
    work = Work()
    work.first.callback(1)
    work.second.callback(2)
    assert work.told == [3]
    assert work.ended == [None]
    assert not work.work.interrupt(BROKEN_OFF)


def test_uninterrupted_it_fails_the_same_way() -> None:
    work = Work()
    work.first.errback(ValueError("no"))
    assert [type(each) for each in work.told] == [ValueError]
    (failure,) = work.ended
    assert isinstance(failure, Failure)
    assert failure.check(ValueError)


@pytest.mark.parametrize("steps", [0, 1])
def test_an_interruption_is_raised_where_it_waits_in_place_of_what_a_cancelled_wait_raises(steps: int) -> None:
    work = Work()
    if steps:
        work.first.callback(1)
    assert work.work.interrupt(BROKEN_OFF)
    assert work.told == [BROKEN_OFF]
    (failure,) = work.ended
    assert isinstance(failure, Failure)
    assert failure.check(Interrupted)
    # What comes too late goes nowhere.
    (work.second if steps else work.first).callback(5)
    assert len(work.ended) == 1


def test_what_was_cancelled_by_others_is_no_interruption() -> None:
    work = Work()
    work.first.cancel()
    assert [type(each) for each in work.told] == [CancelledError]


def test_a_coroutine_that_goes_on_all_the_same_is_not_interrupted_again() -> None:
    first: Deferred[None] = Deferred()
    second: Deferred[int] = Deferred()
    told: list[Any] = []

    async def wait() -> int:
        try:
            await first
        except Interrupted as interrupted:
            told.append(interrupted)
        return await second

    work = Interruptible(wait())

    async def outer() -> None:
        told.append(await work)

    Task(outer(), told.append).resume()
    work.interrupt(BROKEN_OFF)
    second.callback(7)
    assert told == [BROKEN_OFF, 7, None]
