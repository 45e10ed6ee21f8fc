"""Virtual clock with delayed calls, and the spans of its time."""
# ruff: noqa: N802, SLF001 - the names of methods are Twisted's; a call and its clock are one thing

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from mailstack.letter.times import read_duration

_STALE_BEFORE_SWEEP = 64
"""Minimum of stale heap entries before the heap is swept."""


@implementer(IDelayedCall)
class DelayedCall:
    """Delayed call, as `callLater` returns it.

    A postponed call stays at its heap entry, and moves when that entry is due. So a timeout that is reset with every
    octet received is cheap.
    """

    # Slots: a simulation makes hundreds of thousands of calls.
    __slots__ = (
        "_clock",
        "_due",
        "_heap_order",
        "_order",
        "_place_time",
        "args",
        "called",
        "cancelled",
        "func",
        "kw",
        "owner",
    )

    def __init__(
        self, clock: VirtualClock, due: float, func: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        self._clock = clock
        self._due = due
        self._order = self._heap_order = clock._next_order()
        self._place_time = due
        self.func = func
        self.args = args
        self.kw = kw
        self.called = False
        self.cancelled = False
        self.owner: object = None
        """Owner of the call: the process that it ends with, or None."""

    def getTime(self) -> float:
        """Time of the call, in virtual seconds since 1970."""
        return self._due

    def active(self) -> bool:
        return not (self.called or self.cancelled)

    def cancel(self) -> None:
        """Cancels the call. Raises AlreadyCalled, AlreadyCancelled."""
        self._must_be_active()
        self.cancelled = True
        self._release()
        self._clock._count_stale()

    def reset(self, secondsFromNow: float) -> None:  # noqa: N803
        """Reschedules the call, in seconds from now. Raises AlreadyCalled, AlreadyCancelled."""
        self._must_be_active()
        self._clock._move(self, self._clock.seconds() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:  # noqa: N803
        """Postpones the call by a number of seconds. Raises AlreadyCalled, AlreadyCancelled."""
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

    def _release(self) -> None:
        """Drops references to the function and its arguments."""
        self.func = _nothing
        self.args = ()
        self.kw = {}


class InternalCall(DelayedCall):
    """Internal call of the simulation, such as the arrival of a segment; hidden from `getDelayedCalls`."""

    __slots__ = ()


@implementer(IReactorTime)
class VirtualClock:
    """Virtual time: constant during work; jumps to the next call when no work is left."""

    def __init__(self, start: float) -> None:
        """`start` is in seconds since 1970."""
        self.now = start
        # A heap entry is (time, order, call). An entry is stale once its call has moved to an earlier one.
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._order = 0
        self._stale = 0

    def seconds(self) -> float:
        """Virtual time, in seconds since 1970."""
        return self.now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> DelayedCall:  # noqa: A002
        """Schedules a call, in seconds from now."""
        assert delay >= 0, f"{delay} is not greater than or equal to 0 seconds"
        return self._push(DelayedCall(self, self.now + delay, callable, args, kwargs))

    def call_internally(self, when: float, do: Callable[..., Any], *args: object) -> DelayedCall:
        """Schedules an internal call at the time `when`."""
        return self._push(InternalCall(self, max(when, self.now), do, args, {}))

    def getDelayedCalls(self) -> list[DelayedCall]:
        """Pending calls, the soonest first."""
        calls = [
            call
            for _, order, call in self._heap
            if order == call._heap_order and call.active() and type(call) is DelayedCall
        ]
        return sorted(calls, key=lambda call: (call._due, call._order))

    def calls_of(self, owner: object) -> list[DelayedCall]:
        return [
            call for _, order, call in self._heap if call.owner is owner and order == call._heap_order and call.active()
        ]

    def next_time(self) -> float:
        """Time of the next call; infinity without calls."""
        heap = self._heap
        while heap:
            when, order, call = heap[0]
            if order == call._heap_order and not call.cancelled:
                if order == call._order:
                    return when
                heappop(heap)
                self._push(call)
            else:
                heappop(heap)
                self._stale -= 1
        return inf

    def due(self, before: int) -> DelayedCall | None:
        """Removes and returns the next call that is due now and has an order number below `before`; None without one."""
        if self.next_time() > self.now or self._heap[0][1] >= before:
            return None
        call = heappop(self._heap)[2]
        call.called = True
        return call

    @property
    def order(self) -> int:
        """Order number of the next call."""
        return self._order

    def _next_order(self) -> int:
        order = self._order
        self._order = order + 1
        return order

    def _push(self, call: DelayedCall) -> DelayedCall:
        call._heap_order = call._order
        call._place_time = call._due
        heappush(self._heap, (call._due, call._order, call))
        return call

    def _move(self, call: DelayedCall, due: float) -> None:
        call._due = due
        call._order = self._next_order()
        if due < call._place_time:
            self._push(call)
            self._count_stale()

    def _count_stale(self) -> None:
        """Counts a stale entry, and sweeps the heap when most entries are stale."""
        self._stale += 1
        if self._stale > _STALE_BEFORE_SWEEP and self._stale * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[1] == entry[2]._heap_order and not entry[2].cancelled]
            heapify(self._heap)
            self._stale = 0


def _nothing() -> None:
    """Function of a cancelled call."""


def seconds_of(span: float | str) -> float:
    """Parses a time span: a number of seconds, or a text such as "5d" or "1h30m". Raises ValueError."""
    return read_duration(span) if isinstance(span, str) else float(span)
