"""Batching writer of outcomes to the store."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailstack.protocols.connection import Clock
from mailstack.queue.attempt import DeliveryJob
from mailstack.queue.bounce import Bouncer
from mailstack.queue.settings import QueueSettings
from mailstack.queue.settlement import StateChanges
from mailstack.store import Acceptance, Conflict, Settlement, Store, StoreError, StoreFull

_log = logging.getLogger(__name__)

BATCH_SIZE = 200
"""Maximum number of outcomes in one transaction."""
_MAX_WAIT_S = 60.0


class FinishedAttempt(Struct, frozen=True):
    """Attempt that has ended, with its state changes."""

    job: DeliveryJob
    result: StateChanges
    reports: tuple[Acceptance, ...] = ()
    """Reports that `result` requires, once they are composed."""

    @property
    def settlement(self) -> Settlement:
        """The transaction that stores the outcome."""
        result = self.result
        return Settlement(result.changes, result.placements, result.steps, self.reports)


class WriteDone(Protocol):
    """Continuation of an attempt, once its outcome has left the OutcomeWriter."""

    def __call__(self, finished: FinishedAttempt, *, stored: bool) -> None:
        """`stored` is False if the claim is lost to another process, or ends with its lease."""


class OutcomeWriter:
    """Writes one group while the next one collects: under load many outcomes share a flush of the disk.

    A failed write is repeated until the lease of the claim ends. Otherwise a short error of the disk would send a
    relayed letter twice.
    """

    def __init__(self, store: Store, clock: Clock, bouncer: Bouncer, settings: QueueSettings, done: WriteDone) -> None:
        """`done` is called once for each outcome."""
        self._store = store
        self._clock = clock
        self._bouncer = bouncer
        self._settings = settings
        self._wait = settings.limits.write_wait
        """Seconds until a failed write is repeated; they double up to a minute."""
        self._done = done
        self._pending: list[FinishedAttempt] = []
        self._writing = False
        self._waiting: dict[int, tuple[Callable[[], None], Callable[[], None]]] = {}
        """Writes to be repeated later, each with the call that cancels its timer."""
        self._numbers = itertools.count()
        self._is_stopping = False
        self._stopped = False

    def write(self, finished: FinishedAttempt) -> None:
        """Writes an outcome, after its reports are composed."""
        if finished.result.reports:
            self._clock.spawn(self._with_reports(finished, self._wait))
        else:
            self._add_pending(finished)

    def write_waiting(self) -> None:
        """Writes waiting outcomes at once; from now on a write is not repeated after StoreFull."""
        self._is_stopping = True
        waiting, self._waiting = self._waiting, {}
        for again, cancel in waiting.values():
            cancel()
            again()

    def stop(self) -> None:
        """Ends the repetition of failed writes."""
        self._stopped = True

    def _later(self, wait: float, again: Callable[[], Coroutine[Any, Any, None]]) -> None:
        number = next(self._numbers)

        def do() -> None:
            self._waiting.pop(number, None)
            self._clock.spawn(again())

        self._waiting[number] = do, self._clock.call_later(wait, do)

    async def _with_reports(self, finished: FinishedAttempt, wait: float) -> None:
        try:
            now = self._clock.now()
            claim = self._settings.first_claim(now)
            reports = await self._bouncer.reports(finished.result.reports, finished.job.letter, now, claim)
        except Exception as error:  # noqa: BLE001  # any error ends the attempt
            if not self._is_worth_another_try(finished, error, wait):
                self._done(finished, stored=False)
                return
            longer = min(wait * 2, _MAX_WAIT_S)
            self._later(wait, lambda: self._with_reports(finished, longer))
        else:
            self._add_pending(replace(finished, reports=tuple(reports)))

    def _add_pending(self, finished: FinishedAttempt) -> None:
        self._pending.append(finished)
        if not self._writing:
            self._writing = True
            self._clock.spawn(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._pending:
                group, self._pending = self._pending[:BATCH_SIZE], self._pending[BATCH_SIZE:]
                await self._write_group(group, self._wait)
        finally:
            self._writing = False

    async def _write_group(self, group: Sequence[FinishedAttempt], wait: float) -> None:
        failed: list[FinishedAttempt] = []
        for finished, error in zip(group, await self._troubles(group), strict=True):
            if error is not None and self._is_worth_another_try(finished, error, wait):
                failed.append(finished)
            else:
                self._done(finished, stored=error is None)
        if failed:
            longer = min(wait * 2, _MAX_WAIT_S)
            self._later(wait, lambda: self._write_group(failed, longer))

    async def _troubles(self, group: Sequence[FinishedAttempt]) -> list[Exception | None]:
        try:
            return await self._store.queue.settle_together([finished.settlement for finished in group])
        except Exception as bug:  # noqa: BLE001  # any error ends these attempts
            return [bug] * len(group)

    def _is_worth_another_try(self, finished: FinishedAttempt, error: Exception, wait: float) -> bool:
        """Whether a failed write is repeated; logs the error."""
        letter = finished.job.letter.id
        match error:
            case Conflict():
                _log.warning("message %s: the claim of this attempt is lost to another process: %s", letter, error)
                return False
            case StoreError():
                until = min(delivery.lease for delivery in finished.job.deliveries)
                is_futile = self._stopped or (self._is_stopping and isinstance(error, StoreFull))
                again = not is_futile and self._clock.now() + wait < until
                _log.error("message %s: the outcome is not stored%s: %s", letter, " yet" if again else "", error)
                return again
            case _:
                _log.error("internal error: the outcome of message %s is lost", letter, exc_info=error)
                return False
