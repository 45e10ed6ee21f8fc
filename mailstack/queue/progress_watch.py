"""Progress watch of one attempt, and the publisher of its delay reasons."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from mailstack.protocols.connection import Clock
from mailstack.store import StoreError
from mailstack.store.delay_reasons import DelayReason, DelayReasonStore

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


_log = logging.getLogger(__name__)

Source = Callable[[int], Sequence[DelayReason]]
"""Returns at most the given number of delay reasons, the most important first."""

MAX_REASONS = 200
"""Maximum number of delay reasons of each source."""


class StatusPublisher:
    """Publishes delay reasons when they have changed, and renews them from time to time; never for each letter."""

    def __init__(
        self, store: DelayReasonStore, clock: Clock, owner: str, sources: Sequence[Source], *, every: float = 2.0
    ) -> None:
        """`every` is the minimum number of seconds between two publications."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._sources = sources
        self._every = every
        self._published: list[DelayReason] = []
        self._next = 0.0
        self._renew = 0.0

    async def publish(self) -> None:
        """Publishes the current delay reasons, if it is time to. A StoreError is only logged."""
        now = self._clock.steady()
        if now < self._next:
            return
        self._next = now + self._every
        reasons = [reason for source in self._sources for reason in source(MAX_REASONS)]
        if reasons == self._published and (not reasons or now < self._renew):
            return
        try:
            await self._store.publish(self._owner, reasons, self._clock.now() + 15 * self._every)
        except StoreError as trouble:
            _log.warning("delay reasons can't be published: %s", trouble)
            return
        self._published, self._renew = reasons, now + 7 * self._every
