"""Progress watch of one attempt, and its interruption at an await."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Interrupted(BaseException):
    """Raised where an interrupted coroutine waits; str() is the reason, for people.

    Like asyncio.CancelledError it is no Exception, so that handlers of errors don't catch it.
    """

    def __init__(self, reason: str, *, put_back: bool) -> None:
        """`put_back`: the whole attempt starts again later. Otherwise only this host is given up."""
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
            except StopIteration as finished:
                result: T = finished.value
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


class Conversation(Protocol):
    """Session with another host, as the watch needs it."""

    progress: int
    """Number of replies received and of blocks sent; it only grows."""
    is_behind_dot: bool
    """Whether the final dot of a letter may have been sent, and its reply has not come."""

    def abandon(self, reason: str) -> None:
        """Closes the connection for `reason`, as if the host had."""


class ProgressWatch:
    """Updated by an agent, read by the queue. Until the agent sets `work`, the attempt can't be interrupted."""

    __slots__ = ("_settled", "_steps", "session", "work")

    def __init__(self) -> None:
        self.work: Interruptible[Any] | None = None
        """The coroutine of the attempt."""
        self.session: Conversation | None = None
        """Session with the host that is tried now, once there is a connection."""
        self._steps = 0
        self._settled = False

    def step(self) -> None:
        """Counts a sign of progress."""
        self._steps += 1

    def settle(self) -> None:
        """Notes that a host has decided about recipients: from now on the attempt can't start again."""
        self._settled = True

    @property
    def sign(self) -> tuple[int, int]:
        """A value that differs after each sign of progress."""
        return self._steps, 0 if self.session is None else self.session.progress

    @property
    def is_behind_dot(self) -> bool:
        """Whether the host may have the letter."""
        return self.session is not None and self.session.is_behind_dot

    @property
    def may_restart(self) -> bool:
        """Whether the attempt can start again without losing or doubling a letter."""
        return self.work is not None and not self._settled and not self.is_behind_dot

    def interrupt(self, reason: str, *, put_back: bool) -> bool:
        """Interrupts the attempt at the current host; returns whether that was possible."""
        if self.may_restart and self.work is not None:
            return self.work.interrupt(Interrupted(reason, put_back=put_back))
        if put_back or self.session is None or self.work is None:
            return False
        self.session.abandon(reason)
        return True
