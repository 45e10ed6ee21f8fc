"""Attempts of one process, started within limits; hold of damaged letters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from mailstack.letter import Deferred, Letter, Status
from mailstack.letter.delivery import Delivery, Step
from mailstack.letter.envelope import delimiters_of
from mailstack.letter.time_parameters import deadline
from mailstack.protocols.connection import Clock
from mailstack.protocols.log import RateLimitedLog
from mailstack.queue.attempt import Agents, Attempt, DeliveryJob, Interrupted, ProgressWatch
from mailstack.queue.backlog import Backlog
from mailstack.queue.hold_rules import HoldResult, HoldRules, stopped
from mailstack.queue.outcome_writer import FinishedAttempt
from mailstack.queue.recipient_routes import LOCAL
from mailstack.queue.settings import QueueSettings
from mailstack.queue.settlement import StateChanges, Times, settle, too_late
from mailstack.queue.silent_hosts import SilentAttempts
from mailstack.store import Change, Claim, Damaged, StoreError

MAX_TEXT = 500
"""Maximum number of characters of the reason."""


def hold_damaged(letter: Letter, deliveries: Sequence[Delivery], damage: Damaged, now: float) -> StateChanges:
    """Holds all deliveries until an operator has restored the content and releases them."""
    reason = f"the content is damaged in the store and was not sent: {damage}"[:MAX_TEXT]
    changes = [Change(delivery, stopped(delivery, reason, delivery.attempts)) for delivery in deliveries]
    steps = [
        Step(
            letter.id,
            now,
            letter.arrival.server,
            "held",
            {"recipient": str(delivery.recipient.address), "by": "mailstack", "why": reason},
        )
        for delivery in deliveries
    ]
    return StateChanges(tuple(changes), (), tuple(steps), ())


_log = logging.getLogger(__name__)

_BUG = Deferred(Status(4, 3, 0), "local error; the message is kept and will be retried")
_UNREADABLE = Deferred(Status(4, 3, 0), "the content of the message can't be read at present")


class Attempts:
    """Attempts of one process: in the backlog, and under way."""

    def __init__(
        self,
        agents: Agents,
        hold_rules: HoldRules,
        clock: Clock,
        settings: QueueSettings,
        on_capacity: Callable[[], None],
    ) -> None:
        """`on_capacity` is called when attempts may start, other than after the end of an attempt."""
        limits = settings.limits
        self.backlog = Backlog(
            concurrency=limits.concurrency,
            per_destination=limits.per_destination,
            first=limits.first_per_destination,
            max_jobs=limits.backlog,
        )
        self._agents = agents
        self._hold_rules = hold_rules
        self._clock = clock
        self._settings = settings
        self._silent = SilentAttempts(self.backlog, clock, limits, on_capacity)
        self._unreadable = RateLimitedLog(_log, clock.steady)

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is under way, and no outcome waits to be written."""
        return not self.backlog.local and not self.backlog.active and not self.backlog.finished

    def add(self, claim: Claim) -> list[DeliveryJob]:
        """Adds the claimed deliveries of a letter to the backlog; returns the jobs for mailboxes here.

        These have no limit, so that the caller runs them at once.
        """
        local: list[DeliveryJob] = []
        for job in self._jobs(claim):
            if job.destination == LOCAL:
                self.backlog.local += 1
                local.append(job)
            else:
                self.backlog.add(job)
        return local

    def start(self) -> DeliveryJob | None:
        """Removes the next job from the backlog, to be run or dropped; None if none may start now.

        Without a free connection, attempts at silent hosts are then interrupted.
        """
        job = self.backlog.start()
        if job is None:
            self._silent.watch()
        return job

    def stop(self) -> None:
        """Ends the interruption of attempts."""
        self._silent.stop()

    async def run(self, job: DeliveryJob) -> FinishedAttempt:
        """Attempts a job that has started. Its outcome is to be written, and then `written` to be called.

        Raises Interrupted if nothing was attempted; then it is to be put back.
        """
        if job.destination == LOCAL:
            _, state_changes = await self._run(job, None)
            return FinishedAttempt(job, state_changes)
        watch = self._silent.start(job)
        try:
            attempt, state_changes = await self._run(job, watch)
        except Interrupted:
            self._silent.end(watch)
            raise
        # Other jobs may use the connection while this outcome is written.
        self.backlog.done(job, reached=attempt.reached, silent=self._silent.end(watch))
        return FinishedAttempt(job, state_changes)

    def put_back(self, job: DeliveryJob) -> bool:
        """Returns an interrupted job to the backlog. False if there is no capacity for it: then it is dropped."""
        if self.backlog.has_capacity(job.destination):
            self.backlog.put_back(job)
            return True
        self.drop(job)
        return False

    def drop(self, job: DeliveryJob) -> None:
        """Ends a started job that was not attempted."""
        self.backlog.done(job)
        self.backlog.written(job)

    def written(self, job: DeliveryJob) -> None:
        """Releases the memory of a job; its outcome is in the store, or can't be written."""
        if job.destination == LOCAL:
            self.backlog.local -= 1
        else:
            self.backlog.written(job)

    def _jobs(self, claim: Claim) -> list[DeliveryJob]:
        """The claimed deliveries, grouped by the key of their destination; with VERP each recipient has its own job."""
        apart = delimiters_of(claim.letter.envelope) is not None
        groups: dict[tuple[str, int], list[Delivery]] = {}
        for delivery in claim.deliveries:
            if delivery.claimed_by == self._settings.owner:
                local = delivery.destination == LOCAL
                key = LOCAL if local else self._agents.destinations.key(claim.letter, delivery.destination)
                groups.setdefault((key, delivery.number if apart else 0), []).append(delivery)
        return [DeliveryJob(claim.letter, key, tuple(group)) for (key, _), group in groups.items()]

    async def _run(self, job: DeliveryJob, watch: ProgressWatch | None) -> tuple[Attempt, StateChanges]:
        """Runs one attempt; returns it with its state changes. Raises Interrupted."""
        started = self._clock.now()
        remaining, held = job, HoldResult()
        try:
            attempt = _too_late(job, started)
            if attempt is None and self._hold_rules.active:
                held = await self._hold_rules.hold_due(job.letter, job.deliveries, started)
                remaining = _without_held(job, held)
                attempt = None if remaining.deliveries else Attempt(())
            if attempt is None:
                agent = self._agents.local if job.destination == LOCAL else self._agents.relay
                attempt = await agent.deliver(remaining.letter, remaining.deliveries, watch)
            state_changes = self._state_changes(remaining, attempt, started)
        except Exception as error:  # noqa: BLE001  # any error is a deferral
            attempt, state_changes = self._failure_result(remaining, error, started)
        if held.changes:
            state_changes = replace(
                state_changes, changes=held.changes + state_changes.changes, steps=held.steps + state_changes.steps
            )
        return attempt, state_changes

    def _failure_result(self, job: DeliveryJob, error: Exception, started: float) -> tuple[Attempt, StateChanges]:
        """Result of an attempt that raised: a hold for a damaged letter, a deferral for every other trouble."""
        letter, count = job.letter, len(job.deliveries)
        match error:
            case Damaged():
                _log.error("message %s for %s is held: its content is damaged: %s", letter.id, job.destination, error)
                return Attempt(()), hold_damaged(letter, job.deliveries, error, self._clock.now())
            case StoreError():
                self._unreadable.error("message %s can't be read and is deferred: %s", letter.id, error)
                attempt = Attempt((_UNREADABLE,) * count)
            case _:
                _log.error("internal error: message %s for %s is deferred", letter.id, job.destination, exc_info=error)
                attempt = Attempt((_BUG,) * count)
        return attempt, self._state_changes(job, attempt, started)

    def _state_changes(self, job: DeliveryJob, attempt: Attempt, started: float) -> StateChanges:
        settings = self._settings
        return settle(
            job.letter,
            job.deliveries,
            attempt,
            Times(started, self._clock.now()),
            schedule=settings.schedule,
            jitter=settings.jitter(),
            postmaster=settings.postmaster,
        )


def _too_late(job: DeliveryJob, now: float) -> Attempt | None:
    """Result in place of an attempt, for a letter past its deadline (RFC 2852)."""
    by = deadline(job.letter)
    if by is None or not by.returns or now < by.at:
        return None
    return Attempt((too_late(by),) * len(job.deliveries))


def _without_held(job: DeliveryJob, held: HoldResult) -> DeliveryJob:
    if not held.changes:
        return job
    stopped = {change.before.number for change in held.changes}
    return replace(job, deliveries=tuple([one for one in job.deliveries if one.number not in stopped]))
