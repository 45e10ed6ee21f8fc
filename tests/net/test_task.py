"""What drives a conversation."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailstack.net.scheduler import PAUSE, Task


def test_a_coroutine_waits_for_deferreds_and_pauses_in_turn() -> None:
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()
    told: list[object] = []
    ended: list[Failure | None] = []

    async def work() -> None:
        told.append(await first)
        await PAUSE
        try:
            await second
        except ZeroDivisionError:
            told.append("caught")

    task = Task(work(), ended.append)
    task.resume()
    first.callback(1)
    assert (told, ended) == ([1], [])
    task.resume()
    second.errback(Failure(ZeroDivisionError()))
    assert (told, ended) == ([1, "caught"], [None])
    assert second.result is None


def test_an_exception_ends_it_with_a_failure() -> None:
    ended: list[Failure | None] = []

    async def work() -> None:
        raise ZeroDivisionError

    Task(work(), ended.append).resume()
    (failure,) = ended
    assert failure is not None
    assert failure.check(ZeroDivisionError)
