"""Start script of the counted server: the program `mailstack` with a clock that only events advance.

Timers go by the processor's work and not by how fast the machine is, so that two runs call the same functions. Before
`HOLD` the clock is the machine's. It runs as a script, since `mailstack` is imported from another checkout.
"""

from __future__ import annotations

import concurrent.futures  # noqa: F401  # with threading and queue, it keeps the machine's clock
import runpy
import signal
import sys
import time
from time import monotonic as machine_monotonic

from twisted.internet.base import ReactorBase
from twisted.python.runtime import seconds as machine_seconds

HOLD = signal.SIGUSR1
"""Signal that lets the clock go by the reactor's turns from now on."""

TURN = 0.0001
"""Seconds that one turn of the reactor advances the clock: about what it takes on a machine without valgrind."""

SWITCH_INTERVAL = 1000.0
"""Seconds before Python takes its lock from a thread: never, so that threads alternate only where they wait."""


class EventClock:
    """The time of a process: the machine's until `hold`, then `TURN` later with each turn of its reactor."""

    def __init__(self) -> None:
        self._turns: int | None = None
        self._held_at = 0.0
        self._held_at_steady = 0.0

    def install(self) -> None:
        """Has every reactor of this process, and what is imported from now on, go by this clock."""
        machine_timeout = ReactorBase.timeout

        def timeout(reactor: ReactorBase) -> float | None:
            """How long a turn may wait; once the clock is held, without end for a timer that is not due yet."""
            allowed = machine_timeout(reactor)
            if self._turns is None:
                return allowed
            self._turns += 1
            return allowed if allowed == 0 else None

        ReactorBase.seconds = staticmethod(self.seconds)
        ReactorBase.timeout = timeout
        time.monotonic = self.monotonic  # caches go by it; the library's own waits have imported the machine's
        signal.signal(HOLD, lambda *_: self.hold())

    def hold(self) -> None:
        self._held_at, self._held_at_steady = machine_seconds(), machine_monotonic()
        self._turns = 0

    def seconds(self) -> float:
        """UTC seconds since 1970."""
        return machine_seconds() if self._turns is None else self._held_at + self._turns * TURN

    def monotonic(self) -> float:
        """Seconds since any moment."""
        return machine_monotonic() if self._turns is None else self._held_at_steady + self._turns * TURN


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL)
    EventClock().install()
    runpy.run_module("mailstack", run_name="__main__", alter_sys=True)
