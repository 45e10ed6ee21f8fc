"""Virtual clock: delayed calls in order of time, then of creation."""
# ruff: noqa: N802, SLF001 - the names of methods are Twisted's; a call and its clock are one thing

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

_STALE_BEFORE_SWEEP = 64
"""Entries of the heap that stand for nothing any more, before it is worth looking whether they are the most of it."""


@implementer(IDelayedCall)
class DelayedCall:
    """A call that will be made; what `callLater` returns.

    A postponed call keeps its place in the heap and moves on when that place is reached, so a timeout that is reset
    with every octet received costs nothing.
    """

    # A simulation makes hundreds of thousands of these, and changes them: slots.
    __slots__ = (
        "_clock",
        "_due",
        "_order",
        "_place",
        "_place_time",
        "args",
        "called",
        "cancelled",
        "func",
        "kw",
        "owner",
    )

    def __init__(
        self,
        clock: VirtualClock,
        due: float,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        self._clock = clock
        self._due = due
        self._order = self._place = clock._next_order()
        self._place_time = due
        self.func = func
        self.args = args
        self.kw = kw
        self.called = False
        self.cancelled = False
        self.owner: object = None
        """Whose call it is, where that may matter."""

    def getTime(self) -> float:
        """When the call will be made, in virtual seconds since 1970."""
        return self._due

    def active(self) -> bool:
        """Whether the call is still to be made."""
        return not (self.called or self.cancelled)

    def cancel(self) -> None:
        """Never make the call. Raises AlreadyCalled, AlreadyCancelled."""
        self._must_be_active()
        self.cancelled = True
        self._let_go()
        self._clock._forget_one()

    def reset(self, secondsFromNow: float) -> None:  # noqa: N803
        """Make the call so many seconds from now. Raises AlreadyCalled, AlreadyCancelled."""
        self._must_be_active()
        self._clock._move(self, self._clock.seconds() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:  # noqa: N803
        """Make the call so many seconds later than it would have been. Raises AlreadyCalled, AlreadyCancelled."""
        self._must_be_active()
        self._clock._move(self, self._due + secondsLater)

    def __repr__(self) -> str:
        state = "called" if self.called else "cancelled" if self.cancelled else f"in {self._due - self._clock.now:g} s"
        name = getattr(self.func, "__qualname__", None) or repr(self.func)
        return f"<DelayedCall {name} {state}>"

    def _must_be_active(self) -> None:
        if self.cancelled:
            raise AlreadyCancelled
        if self.called:
            raise AlreadyCalled

    def _let_go(self) -> None:
        """Keep nothing alive that the call would have used."""
        self.func = _nothing
        self.args = ()
        self.kw = {}


class InternalCall(DelayedCall):
    """A call that the simulation makes for itself, such as the arrival of a segment: `getDelayedCalls` hides it."""

    __slots__ = ()


@implementer(IReactorTime)
class VirtualClock:
    """Time that stands still while anything is done, and jumps to the next call when nothing is left to do."""

    def __init__(self, start: float) -> None:
        """`start` is the first moment, in seconds since 1970."""
        self.now = start
        # A call's place in the heap is (time, order); a place that its call has left for an earlier one is stale.
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._order = 0
        self._stale = 0

    def seconds(self) -> float:
        """The virtual time, in seconds since 1970."""
        return self.now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> DelayedCall:  # noqa: A002
        """Call so many seconds from now."""
        assert delay >= 0, f"{delay} is not greater than or equal to 0 seconds"
        return self._push(DelayedCall(self, self.now + delay, callable, args, kwargs))

    def call_internally(self, when: float, do: Callable[..., Any], *args: object) -> DelayedCall:
        """Call at the time `when`, for the simulation itself."""
        return self._push(InternalCall(self, max(when, self.now), do, args, {}))

    def getDelayedCalls(self) -> list[DelayedCall]:
        """What will be called, soonest first."""
        calls = [
            call
            for _, order, call in self._heap
            if order == call._place and call.active() and type(call) is DelayedCall
        ]
        return sorted(calls, key=lambda call: (call._due, call._order))

    def calls_of(self, owner: object) -> list[DelayedCall]:
        """The calls that are somebody's, and will be made."""
        return [call for _, order, call in self._heap if call.owner is owner and order == call._place and call.active()]

    def next_time(self) -> float:
        """When the next call is due; infinity when there is none."""
        heap = self._heap
        while heap:
            when, order, call = heap[0]
            if order == call._place and not call.cancelled:
                if order == call._order:
                    return when
                heappop(heap)
                self._push(call)
            else:
                heappop(heap)
                self._stale -= 1
        return inf

    def due(self, before: int) -> DelayedCall | None:
        """Take the next call that is due now and was made before the order number `before`; None when there is none."""
        if self.next_time() > self.now or self._heap[0][1] >= before:
            return None
        call = heappop(self._heap)[2]
        call.called = True
        return call

    @property
    def order(self) -> int:
        """The number that the next call will get."""
        return self._order

    def _next_order(self) -> int:
        order = self._order
        self._order = order + 1
        return order

    def _push(self, call: DelayedCall) -> DelayedCall:
        call._place = call._order
        call._place_time = call._due
        heappush(self._heap, (call._due, call._order, call))
        return call

    def _move(self, call: DelayedCall, due: float) -> None:
        call._due = due
        call._order = self._next_order()
        if due < call._place_time:
            self._push(call)
            self._forget_one()

    def _forget_one(self) -> None:
        """Count a stale place, and sweep the heap when most of it is stale: its size stays that of what is active."""
        self._stale += 1
        if self._stale > _STALE_BEFORE_SWEEP and self._stale * 2 > len(self._heap):
            self._heap = [place for place in self._heap if place[1] == place[2]._place and not place[2].cancelled]
            heapify(self._heap)
            self._stale = 0


def _nothing() -> None:
    """What a call does that was cancelled."""
