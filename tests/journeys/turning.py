"""`mailstack`, and with each SIGUSR1 the processor time that the longest turn of its reactor has taken since the one before.

A program of its own, so that its memory is what a server's is. Of the processor, for nothing else is its own on a machine
where others work: it holds the reactor for as long at least.
"""

from __future__ import annotations

import signal
import sys
from time import thread_time

from twisted.internet import reactor

from mailstack.cli import main


class Turns:
    """Waiting takes no processor time, so that between two beginnings of a turn there is what the first one took."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._begun = 0.0
        self._run = reactor.runUntilCurrent
        reactor.runUntilCurrent = self._begin

    def _begin(self) -> None:
        now = thread_time()
        if self._begun:
            self.longest = max(self.longest, now - self._begun)
        self._begun = now
        self._run()

    def tell(self, *_: object) -> None:
        sys.stdout.write(f"the longest turn took {self.longest * 1000:.1f} ms\n")
        sys.stdout.flush()
        self.longest = 0.0


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, Turns().tell)
    main(prog_name="mailstack")
