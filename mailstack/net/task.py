"""Coroutine driver whose waits need no Deferred, and concurrent coroutines.

Deferred.fromCoroutine does the same for Deferreds alone. A conversation waits for octets several times a letter, and a
Deferred for each of these waits costs a tenth of the time that a letter takes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.python.failure import Failure


class Pause:
    """Awaited by a task's coroutine to wait until `Task.resume` is called."""

    __slots__ = ()

    def __await__(self) -> Generator[Pause, None, None]:
        # A real generator would be four times as large, and thousands of these wait at a time.
        return iter(_ONCE)  # type: ignore[return-value]


PAUSE = Pause()
_ONCE = (PAUSE,)


class Task:
    """One coroutine under way."""

    __slots__ = ("_coroutine", "_ended", "_waits")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, None],
        ended: Callable[[Failure | None], None],
        waits: Callable[[], None] | None = None,
    ) -> None:
        """`ended` is called once, with the Failure of an exception that the coroutine did not catch.

        `waits` is called each time before it waits for a Deferred.
        """
        self._coroutine = coroutine
        self._ended = ended
        self._waits = waits

    def resume(self, result: object = None) -> None:
        """Go on until the coroutine waits again, or ends. Also the callback of each Deferred that it waits for.

        Returns None, which takes over the Deferred's result: the coroutine has it by then, a failure included.
        """
        try:
            if isinstance(result, Failure):
                waited = result.throwExceptionIntoGenerator(self._coroutine)
            else:
                waited = self._coroutine.send(None)
        except StopIteration:
            self._ended(None)
        except BaseException:  # noqa: BLE001 - whatever it is, it must not reach the reactor's loop
            self._ended(Failure())
        else:
            if waited is not PAUSE:
                if self._waits is not None:
                    self._waits()
                waited.addBoth(self.resume)


async def gather(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results of all coroutines, in their order. The first exception is raised once it happens."""
    try:
        return await gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()
        raise
