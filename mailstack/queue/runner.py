"""The Runner: finds deliveries that are due, has an agent attempt them, and settles what came of it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from mailstack.complaint import Complaint
from mailstack.journey import Journal
from mailstack.letter import Address, Deferred, Letter, Status
from mailstack.letter.terms import deadline
from mailstack.letter.verp import delimiters_of
from mailstack.queue.attempt import Agent, Attempt
from mailstack.queue.backlog import Backlog, Job
from mailstack.queue.bounce import Bouncer
from mailstack.queue.damaged import hold_damaged
from mailstack.queue.delivery import Delivery, DeliveryState
from mailstack.queue.entering import FirstClaim
from mailstack.queue.interruption import Interrupted
from mailstack.queue.limits import RunnerLimits
from mailstack.queue.lines import Lines
from mailstack.queue.noticeboard import Noticeboard, Source
from mailstack.queue.outcomes import Ended, Outcomes
from mailstack.queue.route import LOCAL, RELAY
from mailstack.queue.schedule import Schedule
from mailstack.queue.settling import Settling, Times, settle, too_late
from mailstack.queue.silence import SilentAttempts
from mailstack.queue.standing import Held, StandingOrders
from mailstack.queue.watch import Watch
from mailstack.store import Acceptance, Claim, Damaged, Store, StoreError, StoreFull
from mailstack.wire import Clock

_log = logging.getLogger(__name__)

_BUG = Deferred(Status(4, 3, 0), "local error; the letter is safe and will be tried again")
_UNREADABLE = Deferred(Status(4, 3, 0), "the content of the letter can't be read here at present")
_LEAST_WAIT = 0.001
"""Seconds between two looks at the store, whatever it says is due."""


def _none(_most: int) -> tuple[()]:
    return ()


class Runner:
    """Attempts what is due. States: made, running (`start`), stopping (`stop`).

    What it holds in memory is claimed in the store, so that a crash loses nothing: the next `start` lets go of it.
    """

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        store: Store,
        agents: Mapping[str, Agent],
        schedule: Schedule,
        clock: Clock,
        journal: Journal,
        office: str,
        owner: str,
        bouncer: Bouncer,
        limits: RunnerLimits = RunnerLimits(),
        jitter: Callable[[], float] = random.random,
        line: Callable[[Letter, str], str] = lambda _, destination: destination,
        line_of: Callable[[str], str | None] = lambda destination: destination,
        standing: StandingOrders | None = None,
        postmaster: Address | None = None,
        left_behind: Sequence[str] = (),
        conditions: Source = _none,
    ) -> None:
        """`agents` has "local" and "relay". `owner` names this process in claims, and stays the same after a crash.

        `left_behind`: owners that are dead for good, whose claims nobody else lets go of.
        `line` says for a letter and a destination what those have in common that may share an attempt and its limits,
        `line_of` for a destination alone; None where it depends on the letter.
        `standing`: the orders that it obeys; None: those of the store. `postmaster` hears of reports that can't be
        delivered; None: nobody does. `conditions` gives what the agents know and letters wait for.
        """
        self.limits = limits
        self.standing = standing or StandingOrders(store)
        self._store = store
        self._agents = agents
        self._schedule = schedule
        self._clock = clock
        self._complaint = Complaint(_log, clock.steady)
        self._unreadable = Complaint(_log, clock.steady)
        self._journal = journal
        self._office = office
        self._owner = owner
        self._bouncer = bouncer
        self._jitter = jitter
        self._left_behind = (owner, *left_behind)
        self._line = line
        self._postmaster = postmaster
        self._backlog = Backlog(
            concurrency=limits.concurrency,
            per_destination=limits.per_destination,
            first=limits.first_per_destination,
            most=limits.backlog,
        )
        self._outcomes = Outcomes(store, clock, limits.settle_wait, self._reports, self._written)
        self._board = Noticeboard(store, clock, owner, (self._backlog.conditions, conditions))
        self._local = 0
        self._running = False
        self._recovered = False
        """Whether the claims of an earlier life are let go of: before that nothing is claimed, for it has the same name."""
        self._starting_jobs = False
        self._silent = SilentAttempts(self._backlog, clock, limits, self._start_jobs)
        self._looking = False
        self._lines = Lines(store, clock, limits, line, line_of, jitter)
        self._fetching: set[str] = set()
        self._cancel_look: Callable[[], None] = _nothing
        self._next_look = 0.0
        self._stopped: Callable[[], None] | None = None
        self._cancel_end: Callable[[], None] = _nothing

    # --- from outside

    async def start(self) -> None:
        """Let go of what an earlier life of this process had claimed, and begin. Raises StoreError.

        On a full disk that is put off, so that readers, who make room, are served.
        """
        try:
            await self._recover()
        except StoreFull as trouble:
            self._complaint.error("nothing is delivered before claims can be recovered: %s", trouble)
        self._lines.names.update(await self._store.lines(self._office, self.limits.lines))
        self._running = True
        self._store.on_news(self.look_soon)
        # Whoever starts an office with a million letters doesn't wait until they are looked through.
        self._clock.spawn(self._look())

    @property
    def may_claim(self) -> bool:
        """Whether letters that come in may be claimed by this process."""
        return self._running and self._recovered

    async def _recover(self) -> None:
        if not self._recovered:
            await self._store.recover(self._left_behind, self._clock.now())
            self._recovered = True

    def look_soon(self) -> None:
        """Another process has left something: don't wait for the next look."""
        self._look_in(_LEAST_WAIT)

    def has_room(self, letter: Letter, destination: str) -> bool:
        """Whether a letter that comes in now may be claimed for this destination, and its content held till then."""
        if not self.may_claim or (destination != LOCAL and self._backlog.octets >= self.limits.backlog_octets):
            return False
        if self._store.tenure() is None:
            return False
        return self._fits(letter, destination)

    def take(self, claim: Claim) -> None:
        """Attempt at once what is claimed by us in a letter; what isn't will be found when it is due."""
        if not self._running:
            return
        for job in self._jobs(claim):
            if job.destination == LOCAL:
                self._local += 1
                self._clock.spawn(self._attempt(job))
            else:
                self._backlog.add(job)
        self._start_jobs()

    def stop(self, stopped: Callable[[], None], within: float = 10.0) -> None:
        """Begin no more attempts; call `stopped` once, when those under way have ended or `within` seconds passed."""
        self._running = False
        self._cancel_look()
        self._silent.stop()
        self._stopped = stopped
        self._cancel_end = self._clock.call_later(within, self._end)
        self._outcomes.hurry()
        self._end_when_idle()

    def _fits(self, letter: Letter, destination: str) -> bool:
        if destination == LOCAL:
            return self._local < self.limits.backlog
        line = self._line(letter, destination)
        # Behind a line nobody goes before those who stand in it.
        return line not in self._lines.names and self._backlog.has_room(line)

    def _jobs(self, claim: Claim) -> list[Job]:
        """What is claimed by us, grouped by line; most letters have one. By VERP each recipient is a job of his own."""
        apart = delimiters_of(claim.letter.envelope) is not None
        groups: dict[tuple[str, int], list[Delivery]] = {}
        for delivery in claim.deliveries:
            if delivery.claimed_by == self._owner:
                local = delivery.destination == LOCAL
                line = LOCAL if local else self._line(claim.letter, delivery.destination)
                groups.setdefault((line, delivery.number if apart else 0), []).append(delivery)
        return [Job(claim.letter, line, tuple(group)) for (line, _), group in groups.items()]

    # --- attempts

    def _start_jobs(self) -> None:
        # An attempt may end before spawn returns; the loop below then goes on by itself, not by recursion.
        if self._starting_jobs:
            return
        self._starting_jobs = True
        # Who can't be sure that nobody else has taken over his claims makes no attempt.
        while (
            self._running and (since := self._store.tenure()) is not None and (job := self._backlog.start()) is not None
        ):
            if self._is_ours(job, since):
                self._clock.spawn(self._attempt(job, self._silent.begin(job)))
                continue
            # Others may have let go of it, or it was stored after they had: then nobody else will before its lease ends.
            self._backlog.done(job)
            self._backlog.written(job)
            self._lines.give_back(job)
        self._starting_jobs = False
        if self._running:
            self._silent.watch()

    def _is_ours(self, job: Job, since: float) -> bool:
        """Whether nobody can have its claim before an attempt is over: what was claimed before `since` may be others' by now.

        And what has waited in hand for long is claimed by the next look, be it our own, once its lease has ended.
        """
        claimed = _claimed(job) - self.limits.lease
        return claimed >= since and self._clock.now() < claimed + self.limits.lease / 3

    async def _attempt(self, job: Job, watch: Watch | None = None) -> None:
        """One job from the agent's first word to its place in the store. What goes elsewhere is watched."""
        try:
            attempt, settling = await self._made(job, watch)
        except Interrupted:
            self._put_back(job, watch)
        else:
            # Others may have the connection while this outcome is written.
            if watch is not None:
                silent = self._silent.end(watch)
                self._backlog.done(job, reached=attempt.reached, silent=silent)
            self._outcomes.write(Ended(job, settling))
        self._start_jobs()

    async def _made(self, job: Job, watch: Watch | None) -> tuple[Attempt, Settling]:
        """An attempt, and what follows from it. Raises Interrupted."""
        began = self._clock.now()
        left, held = job, Held()
        try:
            attempt = _too_late(job, began)
            if attempt is None:
                held = await self._held(job)
                left = _less(job, held)
                attempt = await self._deliver(left, watch)
            settling = self._settling(left, attempt, began)
        except Exception as trouble:  # noqa: BLE001  # whatever it is, the letter stays safe
            attempt, settling = self._unsent(left, trouble, began)
        if held.changes:
            settling = replace(settling, changes=held.changes + settling.changes, steps=held.steps + settling.steps)
        return attempt, settling

    def _unsent(self, job: Job, trouble: Exception, began: float) -> tuple[Attempt, Settling]:
        """Result of an attempt that raised: a hold for a damaged letter, a deferral for every other trouble."""
        letter, count = job.letter, len(job.deliveries)
        match trouble:
            case Damaged():
                _log.error("letter %s for %s is held: its content is damaged: %s", letter.id, job.destination, trouble)
                return Attempt(()), hold_damaged(letter, job.deliveries, trouble, self._clock.now())
            case StoreError():
                self._unreadable.error("letter %s can't be read and is deferred: %s", letter.id, trouble)
                attempt = Attempt((_UNREADABLE,) * count)
            case _:
                _log.error("a bug in an agent deferred letter %s for %s", letter.id, job.destination, exc_info=trouble)
                attempt = Attempt((_BUG,) * count)
        return attempt, self._settling(job, attempt, began)

    async def _held(self, job: Job) -> Held:
        """What orders hold of it."""
        if not self.standing.active:
            return Held()
        return await self.standing.hold_due(job.letter, job.deliveries, self._clock.now())

    async def _deliver(self, job: Job, watch: Watch | None) -> Attempt:
        if not job.deliveries:
            return Attempt(())
        agent = self._agents[LOCAL if job.destination == LOCAL else RELAY]
        return await agent.deliver(job.letter, job.deliveries, watch)

    def _put_back(self, job: Job, watch: Watch | None) -> None:
        """It was interrupted: nothing of it was attempted."""
        if watch is None:
            return
        self._silent.end(watch)
        if self._backlog.has_room(job.destination):
            self._backlog.put_back(job)
        else:
            self._backlog.done(job)
            self._backlog.written(job)
            self._lines.put_off(job.deliveries)

    def _settling(self, job: Job, attempt: Attempt, began: float) -> Settling:
        times = Times(began, self._clock.now())
        return settle(
            job.letter,
            job.deliveries,
            attempt,
            times,
            schedule=self._schedule,
            jitter=self._jitter(),
            postmaster=self._postmaster,
        )

    async def _reports(self, job: Job, settling: Settling) -> list[Acceptance]:
        now = self._clock.now()
        claim = FirstClaim.of(self._owner, self._schedule, self.limits.lease, now, self._jitter())
        return await self._bouncer.reports(settling.reports, job.letter, now, claim)

    def enter(self, reports: Sequence[Acceptance]) -> None:
        """Tell of letters that the store has taken with an outcome, and attempt them."""
        for report in reports:
            self._journal.tell(report.steps)
            self.take(Claim(report.letter, report.deliveries))

    def _written(self, ended: Ended, done: bool) -> None:
        """An outcome is in the store, or can't be."""
        job, settling = ended.job, ended.settling
        if job.destination == LOCAL:
            self._local -= 1
        else:
            self._backlog.written(job)
        if done:
            self._journal.tell(settling.steps)
            self.enter(ended.reports)
            for change in settling.changes:
                if change.after.state is DeliveryState.QUEUED:
                    self._look_by(change.after.due)
        self._start_jobs()
        if job.destination in self._lines.names and self._backlog.is_low(job.destination):
            self._clock.spawn(self._fetch(job.destination))
        self._end_when_idle()

    # --- what is due

    async def _look(self) -> None:
        """Claim what is due, and look again when more will be."""
        if self._looking:
            return
        self._looking = True
        wait = self.limits.poll
        # Who could not be sure of his claims for a while may be again.
        self._start_jobs()
        try:
            await self._recover()
            await self._line_up()
            await self.standing.refresh()
            wait = await self._claim_due()
            for line in [line for line in self._lines.names if self._backlog.is_low(line)]:
                await self._fetch(line)
            await self._board.post()
            self._start_jobs()
            self._complaint.is_over()
        except StoreError as trouble:
            self._complaint.error("what is due can't be claimed: %s", trouble)
        finally:
            self._looking = False
            self._look_in(wait)

    def _look_in(self, seconds: float) -> None:
        if self._running:
            self._cancel_look()
            self._next_look = self._clock.steady() + seconds
            self._cancel_look = self._clock.call_later(seconds, lambda: self._clock.spawn(self._look()))

    def _look_by(self, at: float) -> None:
        """Make sure of a look when something is due that the last look could not know of."""
        wait = at - self._clock.now()
        if 0 < wait < self._next_look - self._clock.steady():
            self._look_in(wait)

    async def _claim_due(self) -> float:
        """Claim while there is room and something is due; how many seconds until the next look."""
        while self._running and (room := min(self._backlog.room, self.limits.backlog - self._local)) > 0:
            now = self._clock.now()
            due = await self._store.next_due(self._office)
            if due is None:
                break
            if due > now:
                return max(_LEAST_WAIT, min(self.limits.poll, due - now))
            limit = min(room, self.limits.claims)
            placed = self._lines.placed
            claims = await self._claim(limit)
            if not claims and placed == self._lines.placed:
                break
            await self._take_what_fits(claims)
        return self.limits.poll

    def _next_due(self, delivery: Delivery, arrived: float) -> float:
        return self._schedule.next_due(arrived, delivery.attempts, self._clock.now(), self._jitter())

    async def _take_what_fits(self, claims: Sequence[Claim]) -> None:
        """Take them, less the deliveries whose destination has no room: those were not attempted, and wait again."""
        for claim in claims:
            fitting: list[Delivery] = []
            others: list[Delivery] = []
            for delivery in claim.deliveries:
                (fitting if self._fits(claim.letter, delivery.destination) else others).append(delivery)
            if fitting:
                self.take(Claim(claim.letter, tuple(fitting)))
            if silent := [one for one in others if self._waits_for_silent(claim.letter, one.destination)]:
                self._lines.put_off(silent)
            if others := [one for one in others if one not in silent]:
                self._lines.line_up(claim.letter, others)
        await self._line_up()

    def _waits_for_silent(self, letter: Letter, destination: str) -> bool:
        return destination != LOCAL and self._backlog.is_known_silent(self._line(letter, destination))

    async def _line_up(self) -> None:
        if self._running:
            await self._lines.write()

    async def _fetch(self, line: str) -> None:
        """Claim from a line until its destination has enough in hand, or nothing waits in it."""
        if line in self._fetching:
            return
        self._fetching.add(line)
        try:
            while self._running and line in self._lines.names and self._backlog.is_low(line):
                limit = min(self._backlog.room_for(line), self.limits.claims)
                claims = await self._claim(limit, line)
                if sum(len(claim.deliveries) for claim in claims) < limit:
                    self._lines.names.discard(line)
                for claim in claims:
                    self.take(claim)
        except StoreError as trouble:
            self._complaint.error("what waits for %s can't be claimed: %s", line, trouble)
        finally:
            self._fetching.discard(line)

    async def _claim(self, limit: int, line: str | None = None) -> list[Claim]:
        now = self._clock.now()
        return await self._store.claim(
            self._office,
            self._owner,
            now,
            limit=limit,
            lease=self.limits.lease,
            next_due=self._next_due,
            line=line,
            place=self._lines.place,
        )

    # --- the end

    def _end_when_idle(self) -> None:
        if self._stopped is not None and not self._local and not self._backlog.active and not self._backlog.ended:
            self._end()

    def _end(self) -> None:
        self._outcomes.stop()
        self._cancel_end()
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped()


def _claimed(job: Job) -> float:
    """Until when a job is claimed; less the lease, that is since when."""
    return min(delivery.lease for delivery in job.deliveries)


def _too_late(job: Job, now: float) -> Attempt | None:
    """In place of an attempt whose letter was to come back by now (RFC 2852)."""
    by = deadline(job.letter)
    if by is None or not by.returns or now < by.at:
        return None
    return Attempt((too_late(by),) * len(job.deliveries))


def _less(job: Job, held: Held) -> Job:
    """The job without the deliveries that are held."""
    if not held.changes:
        return job
    stopped = {change.before.number for change in held.changes}
    return replace(job, deliveries=tuple([one for one in job.deliveries if one.number not in stopped]))


def _nothing() -> None:
    pass
