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

REPORT_DELAY_S = 600.0
"""Seconds from the end of a day to its first report; all counts are stored by then."""


class Collector:
    """Counts results in memory, and stores them at intervals; a crash loses the counts of the last interval."""

    def __init__(
        self,
        store: TlsResults,
        clock: Clock,
        *,
        submitter: str,
        spread: float = 14_400.0,
        interval: float = 10.0,
        max_counts: int = 10_000,
    ) -> None:
        """Reports are due within `spread` seconds after REPORT_DELAY_S, at a time that depends on domain and `submitter`.

        Counts are stored every `interval` seconds. Results beyond `max_counts` different ones per interval are dropped.
        """
        self._store = store
        self._clock = clock
        self._submitter = submitter
        self._spread = spread
        self._interval = interval
        self._max_counts = max_counts
        self._counts: dict[_Key, int] = {}
        self._cancel: Callable[[], None] | None = None

    def count(self, domain: str, policy: AppliedPolicy, failure: SessionFailure | None) -> None:
        """Counts a session, as `SessionResults.count`."""
        key = int(self._clock.now() // DAY), domain, policy, failure
        if key in self._counts:
            self._counts[key] += 1
        elif len(self._counts) < self._max_counts:
            self._counts[key] = 1
        self._flush_later()

    def _flush_later(self) -> None:
        if self._cancel is None:
            self._cancel = self._clock.call_later(self._interval, lambda: self._clock.spawn(self.flush()))

    async def flush(self) -> None:
        """Stores the counts; after an error they are stored later."""
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            await self._store.add([TlsCount(*key, count) for key, count in counts.items()], self._due)
        except StoreError as trouble:
            _log.error("TLS results can't be stored yet: %s", trouble)
            for key, count in counts.items():
                self._counts[key] = self._counts.get(key, 0) + count
            self._flush_later()

    def _due(self, day: int, domain: str) -> float:
        digest = hashlib.sha256(f"{self._submitter} {domain}".encode()).digest()
        part = int.from_bytes(digest[:4]) / 2**32
        return (day + 1) * DAY + REPORT_DELAY_S + part * self._spread
