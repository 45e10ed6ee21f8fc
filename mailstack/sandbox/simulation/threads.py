"""Thread pool without threads: work runs in the next turn."""
# ruff: noqa: N802, N803 - the names of methods and arguments are Twisted's

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

OnResult = Callable[[bool, Any], object]


class InlineThreadPool:
    """What is used of `twisted.python.threadpool.ThreadPool`; work blocks the simulation, but no virtual time passes."""

    min = 0
    max = 1
    workers = 1
    joined = False

    def __init__(self, next_turn: Callable[..., None], bug: Callable[[str, Exception], None]) -> None:
        """`next_turn` calls a function in the reactor's next turn; `bug` is told of exceptions nobody asked for."""
        self._next_turn = next_turn
        self._bug = bug
        self.started = True

    def start(self) -> None:
        """Be ready for work; it always is."""
        self.started = True

    def stop(self) -> None:
        """Take no more work; what was given is still done."""
        self.joined = True

    def adjustPoolsize(self, minthreads: int | None = None, maxthreads: int | None = None) -> None:
        """Be told of sizes, which change nothing."""

    def callInThread(self, func: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Do it in the next turn."""
        self.callInThreadWithCallback(None, func, *args, **kw)

    def callInThreadWithCallback(
        self, onResult: OnResult | None, func: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """Do it in the next turn, and call `onResult` with (True, result) or (False, Failure)."""
        if not self.joined:
            self._next_turn(self._work, onResult, func, args, kw)

    def _work(
        self, on_result: OnResult | None, func: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        try:
            result = func(*args, **kw)
        except Exception as error:  # noqa: BLE001 - whatever the work raises is its result
            if on_result is None:
                self._bug("in a thread", error)
            else:
                on_result(False, Failure(error))
        else:
            if on_result is not None:
                on_result(True, result)
