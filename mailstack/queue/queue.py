"""Queue of one host: durable acceptance and attempts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mailstack.letter import Letter
from mailstack.letter.delivery import DeliveryState, Journal, StepName
from mailstack.protocols.connection import Clock
from mailstack.protocols.log import RateLimitedLog
from mailstack.queue.attempt import Agents, DeliveryJob, Interrupted
from mailstack.queue.attempts import Attempts
from mailstack.queue.bounce import Bouncer
from mailstack.queue.due import DueFinder
from mailstack.queue.enqueue import AcceptanceBuilder
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.outcome_writer import FinishedAttempt, OutcomeWriter
from mailstack.queue.recipient_routes import Router
from mailstack.queue.settings import QueueSettings
from mailstack.store import Acceptance, Claim, Settlement, Store, StoreError, StoreFull
from mailstack.store.delay_reasons import DelayReason, DelayReasonStore

_log = logging.getLogger(__name__)

_NO_FACTS: Mapping[str, Any] = {}


Source = Callable[[int], Sequence[DelayReason]]
"""Returns at most the given number of delay reasons, the most important first."""


MAX_REASONS = 200
"""Maximum number of delay reasons of each source."""


class StatusPublisher:
    """Publishes delay reasons when they have changed, and renews them from time to time; never for each letter."""

    def __init__(
        self, store: DelayReasonStore, clock: Clock, owner: str, sources: Sequence[Source], *, every: float = 2.0
    ) -> None:
        """`every` is the minimum number of seconds between two publications."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._sources = sources
        self._every = every
        self._published: list[DelayReason] = []
        self._next = 0.0
        self._renew = 0.0

    async def publish(self) -> None:
        """Publishes the current delay reasons, if it is time to. A StoreError is only logged."""
        now = self._clock.steady()
        if now < self._next:
            return
        self._next = now + self._every
        reasons = [reason for source in self._sources for reason in source(MAX_REASONS)]
        if reasons == self._published and (not reasons or now < self._renew):
            return
        try:
            await self._store.publish(self._owner, reasons, self._clock.now() + 15 * self._every)
        except StoreError as trouble:
            _log.warning("delay reasons can't be published: %s", trouble)
            return
        self._published, self._renew = reasons, now + 7 * self._every


class Queue:
    """Queue of one host, in one process. States: made (accepts letters), running (`start`), stopping (`stop`).

    All deliveries are in the store. Three independent parts do the work: DueFinder claims due deliveries, Attempts
    runs attempts, and OutcomeWriter stores their outcomes.
    """

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        store: Store,
        router: Router,
        bouncer: Bouncer,
        agents: Agents,
        hold_rules: HoldRules,
        clock: Clock,
        journal: Journal,
        settings: QueueSettings,
    ) -> None:
        self._store = store
        self._router = router
        self._bouncer = bouncer
        self._builder = AcceptanceBuilder(agents.local, hold_rules)
        self._hold_rules = hold_rules
        self._clock = clock
        self._journal = journal
        self._settings = settings
        self._attempts = Attempts(agents, hold_rules, clock, settings, self._start_attempts)
        backlog = self._attempts.backlog
        self._due = DueFinder(store, clock, settings, backlog, agents.destinations)
        self._outcomes = OutcomeWriter(store, clock, bouncer, settings, self._finish)
        sources = backlog.delay_reasons, agents.destinations.delay_reasons
        self._status_publisher = StatusPublisher(store.delay_reasons, clock, settings.owner, sources)
        self._limited_log = RateLimitedLog(_log, clock.steady)
        self._is_running = False
        self._is_starting_attempts = False
        self._is_polling = False
        self._stopped: Callable[[], None] | None = None
        self._cancel_end: Callable[[], None] = lambda: None

    # --- from outside

    async def accept(self, letter: Letter, step: StepName, facts: Mapping[str, Any] = _NO_FACTS) -> None:
        """Accepts responsibility for a letter (RFC 5321 §6.1); durable when this returns.

        `step` is "submitted" or "exchanged", `facts` are added to the facts of the arrival. Raises StoreFull,
        StoreError, and the Refusal of a letter if all its mailboxes are full: then nothing is owed.
        """
        routes = await self._router.route(letter.envelope.recipients)
        now = self._clock.now()
        claim = self._settings.first_claim(now) if self._due.may_claim else None
        has_capacity = partial(self._due.has_capacity, letter)
        entry = await self._builder.build(letter, routes, step, facts, now, claim, has_capacity)
        acceptance = entry.acceptance
        # Once the store has them, the letter is accepted, and no error may reach its client.
        if entry.reports:
            reports = await self._bouncer.reports(entry.reports, letter, now, claim)
            await self._store.queue.settle(Settlement((), acceptances=(acceptance, *reports)))
            self._journal.record(acceptance.steps)
            self._enter(reports)
        else:
            await self._store.queue.accept(acceptance)
            self._journal.record(acceptance.steps)
        if not entry.is_settled:
            self._attempt_claimed(Claim(letter, acceptance.deliveries))

    async def start(self) -> None:
        """Releases the claims of an earlier run of this process, and starts attempts. Raises StoreError.

        On a full disk the release waits: POP3 clients must be served, because deletions free space.
        """
        try:
            await self._due.recover()
        except StoreFull as trouble:
            self._limited_log.error("the queue waits until the claims of the previous run can be released: %s", trouble)
        await self._due.start(lambda: self._clock.spawn(self._poll()))
        self._is_running = True
        # In the background: a poll of a million letters must not delay the start of services.
        self._clock.spawn(self._poll())

    def stop(self, stopped: Callable[[], None], within: float = 10.0) -> None:
        """Starts no more attempts; calls `stopped` once all have ended, or after `within` seconds."""
        self._is_running = False
        self._due.stop()
        self._attempts.stop()
        self._stopped = stopped
        self._cancel_end = self._clock.call_later(within, self._end)
        self._outcomes.write_waiting()
        self._end_when_idle()

    # --- from the claim to the outcome

    def _attempt_claimed(self, claim: Claim) -> None:
        """Starts attempts of the claimed deliveries of a letter; unclaimed ones wait until they are due."""
        if not self._is_running:
            return
        for job in self._attempts.add(claim):
            self._clock.spawn(self._attempt(job))
        self._start_attempts()

    def _start_attempts(self) -> None:
        # An attempt may end before spawn returns. The loop below then continues without recursion.
        if self._is_starting_attempts:
            return
        self._is_starting_attempts = True
        # Without a valid lease another process may have the claims.
        while (
            self._is_running
            and (since := self._store.claims_valid_since()) is not None
            and (job := self._attempts.start()) is not None
        ):
            if self._due.holds(job, since):
                self._clock.spawn(self._attempt(job))
            else:
                # Released here: its claim may have been stored after other processes released the stale ones.
                self._attempts.drop(job)
                self._due.parked.release(job)
        self._is_starting_attempts = False

    async def _attempt(self, job: DeliveryJob) -> None:
        """Runs one job, and passes its outcome to the OutcomeWriter."""
        try:
            finished = await self._attempts.run(job)
        except Interrupted:
            if not self._attempts.put_back(job):
                self._due.parked.postpone(job.deliveries)
        else:
            self._outcomes.write(finished)
        self._start_attempts()

    def _finish(self, finished: FinishedAttempt, *, stored: bool) -> None:
        """Continues after the write of an outcome, or its failure."""
        destination = finished.job.destination
        self._attempts.written(finished.job)
        if stored:
            self._journal.record(finished.result.steps)
            self._enter(finished.reports)
            for change in finished.result.changes:
                if change.after.state is DeliveryState.QUEUED:
                    self._due.poll_by(change.after.due)
        self._start_attempts()
        if self._due.is_low(destination):
            self._clock.spawn(self._fetch(destination))
        self._end_when_idle()

    def _enter(self, reports: Sequence[Acceptance]) -> None:
        """Publishes the steps of stored reports, and attempts them."""
        for report in reports:
            self._journal.record(report.steps)
            self._attempt_claimed(Claim(report.letter, report.deliveries))

    # --- what is due

    async def _poll(self) -> None:
        """Claims due deliveries, and schedules the next poll."""
        if self._is_polling:
            return
        self._is_polling = True
        wait = self._settings.limits.poll
        # Claims may be valid again.
        self._start_attempts()
        try:
            await self._due.recover()
            await self._due.write_parked()
            await self._hold_rules.refresh()
            async for claim in self._due.claims():
                self._attempt_claimed(claim)
            wait = self._due.next_wait
            for key in self._due.low_parked():
                await self._fetch(key)
            await self._status_publisher.publish()
            self._start_attempts()
            self._limited_log.is_over()
        except StoreError as trouble:
            self._limited_log.error("due deliveries can't be claimed: %s", trouble)
        finally:
            self._is_polling = False
            self._due.poll_in(wait)

    async def _fetch(self, key: str) -> None:
        """Attempts parked deliveries of a destination, as far as there is capacity."""
        try:
            async for claim in self._due.fetch(key):
                self._attempt_claimed(claim)
        except StoreError as trouble:
            self._limited_log.error("parked deliveries for %s can't be claimed: %s", key, trouble)

    # --- the end

    def _end_when_idle(self) -> None:
        if self._stopped is not None and self._attempts.is_idle:
            self._end()

    def _end(self) -> None:
        self._outcomes.stop()
        self._cancel_end()
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped()
