"""Interruptible coroutine, cancelled at its current await."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Interrupted(BaseException):
    """Raised where an interrupted coroutine waits; str() is the reason, for people.

    Like asyncio.CancelledError it is no Exception, so that handlers of errors don't catch it.
    """

    def __init__(self, reason: str, *, put_back: bool) -> None:
        """`put_back`: nothing was attempted, and the work starts again later. Otherwise only this host is given up."""
        super().__init__(reason)
        self.put_back = put_back


class Interruptible(Generic[T]):
    """Awaited in place of the coroutine, with the same result."""

    __slots__ = ("_interruption", "_waited", "_work")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._waited: Any = None
        """Deferred that the coroutine waits for; None while it runs."""
        self._interruption: Interrupted | None = None

    def interrupt(self, interruption: Interrupted) -> bool:
        """Cancels the awaited operation and raises there; False if the operation can't be cancelled."""
        cancel = getattr(self._waited, "cancel", None)
        if cancel is None:
            return False
        self._interruption = interruption
        cancel()
        return True

    def __await__(self) -> Generator[Any, None, T]:
        error: BaseException | None = None
        while True:
            try:
                waited = self._work.send(None) if error is None else self._work.throw(error)
            except StopIteration as ended:
                result: T = ended.value
                return result
            error, self._waited = None, waited
            try:
                yield waited
            except GeneratorExit:
                self._work.close()
                raise
            except BaseException as raised:  # noqa: BLE001 - all of it belongs to the coroutine
                error = raised
            self._waited = None
            if self._interruption is not None:
                error, self._interruption = self._interruption, None
