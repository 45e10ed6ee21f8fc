"""Coroutine driver with waits without a Deferred, and `gather`.

Deferred.fromCoroutine supports waits for Deferreds alone. A session waits for octets several times a letter, and a
Deferred for each of these waits would cost a tenth of the letter's time.
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
        # A real generator would be four times as large, and thousands of tasks wait at a time.
        return iter(_ONCE)  # type: ignore[return-value]


PAUSE = Pause()
_ONCE = (PAUSE,)


class Task:
    """One running coroutine."""

    __slots__ = ("_coroutine", "_ended", "_waits")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, None],
        ended: Callable[[Failure | None], None],
        waits: Callable[[], None] | None = None,
    ) -> None:
        """`ended` is called once at the end, with None or the Failure of an unhandled exception.

        `waits` is called each time before the coroutine waits for a Deferred.
        """
        self._coroutine = coroutine
        self._ended = ended
        self._waits = waits

    def resume(self, result: object = None) -> None:
        """Run until the coroutine waits again, or ends. Also the callback of each Deferred that it waits for.

        Returns None, which replaces the Deferred's result: the coroutine has handled it, a failure included.
        """
        try:
            if isinstance(result, Failure):
                waited = result.throwExceptionIntoGenerator(self._coroutine)
            else:
                waited = self._coroutine.send(None)
        except StopIteration:
            self._ended(None)
        except BaseException:  # noqa: BLE001 - no exception may reach the reactor's loop
            self._ended(Failure())
        else:
            if waited is not PAUSE:
                if self._waits is not None:
                    self._waits()
                waited.addBoth(self.resume)


async def gather(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results of all coroutines, in their order. Raises the first exception as soon as it occurs."""
    try:
        return await gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()
        raise
