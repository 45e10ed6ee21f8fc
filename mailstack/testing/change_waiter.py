"""Waits of tests for a change, with a timeout."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


class ChangeWaiter:
    """Searches that are repeated after each change. All methods run in the reactor's thread."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._spawn = spawn
        self._changes = 0
        self._waiting: list[Deferred[None]] = []

    def watch(
        self,
        find: Callable[[], Coroutine[Any, Any, T | None]],
        reactor: Any,
        timeout: float,
        on_timeout: Callable[[], T],
    ) -> Future[T]:
        """Result of `find` as soon as it is not None; after `timeout` seconds the result of `on_timeout`.

        Call it in the reactor's thread; `find` and `on_timeout` are called there.
        """
        future: Future[T] = Future()
        self._spawn(self._watch(find, reactor, timeout, on_timeout, future))
        return future

    async def _watch(
        self,
        find: Callable[[], Coroutine[Any, Any, T | None]],
        reactor: Any,
        timeout: float,
        on_timeout: Callable[[], T],
        future: Future[T],
    ) -> None:
        timer = reactor.callLater(timeout, self.notify)
        try:
            while not future.cancelled():
                changes, expired = self._changes, not timer.active()
                found = await find()
                if found is None and expired:
                    found = on_timeout()
                    _settle(future, partial(future.set_result, found))
                elif found is not None:
                    _settle(future, partial(future.set_result, found))
                elif changes == self._changes:
                    await self.next_change()
                    continue
                if found is not None or expired:
                    return
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            _settle(future, partial(future.set_exception, error))
        finally:
            if timer.active():
                timer.cancel()

    async def next_change(self) -> None:
        """Return after the next change."""
        change: Deferred[None] = Deferred()
        self._waiting.append(change)
        await change

    def notify(self) -> None:
        """Something has changed: all watches search again."""
        self._changes += 1
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            change.callback(None)


def _settle(future: Future[Any], set_outcome: Callable[[], None]) -> None:
    if future.set_running_or_notify_cancel():
        set_outcome()
