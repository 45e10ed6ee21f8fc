"""Collector of TLS results: counts sessions in memory, and stores the counts."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

from mailstack.protocols.connection import Clock
from mailstack.store import StoreError
from mailstack.store.tls_results import DAY, AppliedPolicy, SessionFailure, TlsCount, TlsResults

_log = logging.getLogger(__name__)

_Key = tuple[int, str, AppliedPolicy, SessionFailure | None]

FIRST = 600.0
"""Seconds after the end of a day before any report of it is written: by then all is counted."""


class Collector:
    """A tls_results.SessionResults. A kill loses the counts of the last seconds."""

    def __init__(
        self,
        store: TlsResults,
        clock: Clock,
        *,
        submitter: str,
        spread: float = 14_400.0,
        every: float = 10.0,
        most: int = 10_000,
    ) -> None:
        """Reports are due within `spread` seconds after FIRST, each domain's at its own moment for this `submitter`.

        Counts are stored after `every` seconds; of more than `most` different ones meanwhile, the rest is not counted.
        """
        self._store = store
        self._clock = clock
        self._submitter = submitter
        self._spread = spread
        self._every = every
        self._most = most
        self._counts: dict[_Key, int] = {}
        self._cancel: Callable[[], None] | None = None

    def count(self, domain: str, policy: AppliedPolicy, failure: SessionFailure | None) -> None:
        """See `SessionResults.count`."""
        key = int(self._clock.now() // DAY), domain, policy, failure
        if key in self._counts:
            self._counts[key] += 1
        elif len(self._counts) < self._most:
            self._counts[key] = 1
        if self._cancel is None:
            self._cancel = self._clock.call_later(self._every, lambda: self._clock.spawn(self.flush()))

    async def flush(self) -> None:
        """Bring what there is into the store; what it can't take now waits."""
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            await self._store.add([TlsCount(*key, count) for key, count in counts.items()], self._due)
        except StoreError as trouble:
            _log.error("what TLS came to can't be stored yet: %s", trouble)
            for key, count in counts.items():
                self._counts[key] = self._counts.get(key, 0) + count
            if self._cancel is None:
                self._cancel = self._clock.call_later(self._every, lambda: self._clock.spawn(self.flush()))

    def _due(self, day: int, domain: str) -> float:
        digest = hashlib.sha256(f"{self._submitter} {domain}".encode()).digest()
        part = int.from_bytes(digest[:4]) / 2**32
        return (day + 1) * DAY + FIRST + part * self._spread
