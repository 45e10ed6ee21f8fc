"""Measures how long the reactor is held: nothing else runs meanwhile, so nothing may hold it long."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

_log = Logger()

BEAT = 0.05
"""Seconds between looks at the clock."""
TOO_LONG = 0.25
"""Seconds that are worth a warning."""


class Heartbeat:
    """A call that should come every BEAT; what it is late by, somebody held the reactor for."""

    def __init__(self, reactor: IReactorTime) -> None:
        self.longest = 0.0
        """Seconds, since `start`."""
        self._reactor = reactor
        self._expected = 0.0
        self._beats = LoopingCall(self._beat)
        self._beats.clock = reactor

    def start(self) -> None:
        self._expected = self._reactor.seconds() + BEAT
        self._beats.start(BEAT, now=False)

    def stop(self) -> None:
        """Say what was measured; harmless when it never started."""
        if self._beats.running:
            self._beats.stop()
            _log.info("the reactor was never held for more than {ms:.0f} ms", ms=self.longest * 1000)

    def _beat(self) -> None:
        now = self._reactor.seconds()
        held = now - self._expected
        self._expected = now + BEAT
        self.longest = max(self.longest, held)
        if held > TOO_LONG:
            _log.warn("the reactor was held for {ms:.0f} ms", ms=held * 1000)
