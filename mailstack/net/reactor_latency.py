"""Reactor latency monitor: logs blocking calls."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

_log = Logger()

BEAT = 0.05
"""Seconds between two measurements."""
TOO_LONG = 0.25
"""Seconds of blocking from which a warning is logged."""


class Heartbeat:
    """Timer that fires every BEAT seconds; its delay is the time that the reactor was blocked."""

    def __init__(self, reactor: IReactorTime) -> None:
        self.longest = 0.0
        """Maximum seconds of blocking since `start`."""
        self._reactor = reactor
        self._expected = 0.0
        self._beats = LoopingCall(self._beat)
        self._beats.clock = reactor

    def start(self) -> None:
        self._expected = self._reactor.seconds() + BEAT
        self._beats.start(BEAT, now=False)

    def stop(self) -> None:
        """Log the maximum; does nothing if it never started."""
        if self._beats.running:
            self._beats.stop()
            _log.info("the reactor was blocked for {ms:.0f} ms at most", ms=self.longest * 1000)

    def _beat(self) -> None:
        now = self._reactor.seconds()
        held = now - self._expected
        self._expected = now + BEAT
        self.longest = max(self.longest, held)
        if held > TOO_LONG:
            _log.warn("the reactor was blocked for {ms:.0f} ms", ms=held * 1000)
