"""Heartbeat of a worker: its sender, and the monitor in the master."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BEATS = 4
"""Number of heartbeats in the time after which a worker counts as hung."""


class HeartbeatSender:
    """A call again and again from `start` to `stop`. With a `patience` of 0 seconds there are none."""

    def __init__(self, reactor: Any, patience: float, beat: Callable[[], object]) -> None:
        self._reactor = reactor
        self._interval = patience / BEATS
        self._beat = beat
        self._next: Any = None

    def start(self) -> None:
        if self._interval:
            self._next = self._reactor.callLater(self._interval, self._once)

    def stop(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _once(self) -> None:
        self.start()
        self._beat()


class HeartbeatMonitor:
    """Heartbeats that the master received. It counts its own beats, not seconds, because a machine may sleep."""

    def __init__(self) -> None:
        self._silent = 0

    def heard(self) -> None:
        self._silent = 0

    def is_gone(self) -> bool:
        """At each beat of the master: whether the worker was silent for longer than it may be."""
        self._silent += 1
        return self._silent > BEATS
