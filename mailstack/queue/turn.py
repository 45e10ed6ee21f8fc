"""Turns: an attempt that is about to end calls the next one of its line, which may go on where it leaves off."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from mailstack.queue.backlog import Job
from mailstack.queue.watch import Watch
from mailstack.wire import Latch


class Recalled(Exception):
    """The attempt before takes too long: this one is not made now, but with the next place that is free."""


class Turn:
    """One attempt's place behind the one before it, which may not be over yet, and ahead of the one that it calls.

    States: behind another one, its own (`mine`), passed on (`call_next`), over (`end`).
    """

    __slots__ = (
        "_call",
        "_is_recalled",
        "_latch",
        "_new_latch",
        "before",
        "is_over",
        "is_passed_on",
        "job",
        "offer",
        "watch",
    )

    def __init__(
        self, job: Job, call: Callable[[Turn], None], new_latch: Callable[[], Latch], before: Turn | None = None
    ) -> None:
        """`call` starts the attempt whose turn is next, as far as it gets without waiting, if there is one."""
        self.job = job
        self.before = before
        """Whose place this attempt gets. Until that one is over it has none, and must open no connection."""
        self.is_passed_on = False
        """Whether another attempt has this place from now on. Kept by whoever makes the attempts."""
        self.is_over = False
        self.offer: object = None
        """What an agent leaves there for the attempt that it calls."""
        self.watch = Watch()
        self._call = call
        self._new_latch = new_latch
        self._latch: Latch | None = None
        self._is_recalled = False

    def call_next(self) -> None:
        """Have the next attempt begin now, if there is one. Only at the end of one's own, and once."""
        if self.before is None and not self.is_passed_on:
            self._call(self)

    async def mine(self) -> None:
        """Return when the attempt before is over. Raises Recalled."""
        before = self.before
        if before is None:
            return
        if not self._is_recalled:
            await before.over()
        if not before.is_over:
            raise Recalled
        self.before = None

    async def over(self) -> None:
        """Return when it is over, or when the one behind is recalled; that one alone may wait for it."""
        if not self.is_over:
            self._latch = self._new_latch()
            await self._latch.wait()

    def recall(self) -> None:
        """Have `mine` raise Recalled, unless it has returned."""
        if self.before is not None:
            self._is_recalled = True
            self.before.let_go()

    def end(self) -> None:
        """It is over, and whoever waits behind it goes on."""
        self.is_over = True
        self.offer = None
        self.let_go()

    def let_go(self) -> None:
        """Wake who waits behind it."""
        if self._latch is not None:
            self._latch.open()


class Turns:
    """Those of one Runner, and who waits behind whom."""

    def __init__(self) -> None:
        self._behind: dict[Turn, tuple[Turn, float]] = {}
        """By the one before; and since when."""
        self._ending: deque[Turn] = deque()
        """Those that are over, and whose followers are told."""

    def begin(self, turn: Turn, now: float) -> None:
        """It waits, if another one is before it."""
        if turn.before is not None:
            self._behind[turn.before] = turn, now

    def recall(self, since: float = math.inf) -> None:
        """Recall all that have waited since then."""
        for before, (turn, began) in list(self._behind.items()):
            if began <= since:
                self._behind.pop(before, None)
                turn.recall()

    def end(self, turn: Turn) -> None:
        """Have the one behind go on; those that end meanwhile do so by a loop, not by recursion."""
        self._behind.pop(turn, None)
        self._ending.append(turn)
        if len(self._ending) == 1:
            while self._ending:
                self._ending[0].end()
                self._ending.popleft()
