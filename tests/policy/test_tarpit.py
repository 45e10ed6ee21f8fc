"""Errors cost time, and more each time; nobody else pays."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailstack.policy.limits import Tarpit


class Pausing:
    def __init__(self) -> None:
        self.clock = Clock()

    async def pause(self, seconds: float) -> None:
        waiting: Deferred[None] = Deferred()
        self.clock.callLater(seconds, waiting.callback, None)
        await waiting


def test_the_delay_grows_to_its_longest() -> None:
    tarpit = Tarpit(Pausing(), first=1.0, longest=10.0, free=2)
    assert [tarpit.delay(errors) for errors in range(8)] == [0, 0, 0, 1, 2, 4, 8, 10]
    assert tarpit.delay(10_000) == 10


def test_only_so_many_wait_at_a_time() -> None:
    time = Pausing()
    tarpit = Tarpit(time, first=5.0, longest=5.0, free=0, max_waiting=2)
    answered: list[int] = []
    for number in range(4):
        Deferred.fromCoroutine(tarpit.hold(1)).addCallback(lambda _, number=number: answered.append(number))
    assert answered == [2, 3]
    assert tarpit.waiting == 2
    time.clock.advance(5)
    assert answered == [2, 3, 0, 1]
    assert tarpit.waiting == 0


def test_it_can_be_turned_off() -> None:
    assert Tarpit(Pausing(), first=0.0, longest=10.0).delay(1000) == 0
