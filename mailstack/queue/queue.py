"""The Queue: where letters are taken into our care, durably, and handed to the runner."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from mailstack.journey import Journal, StepName
from mailstack.letter import Letter
from mailstack.queue.attempt import Agent
from mailstack.queue.bounce import Bouncer
from mailstack.queue.entering import FirstClaim, deliver_here, enter, first_deliveries, reports_due
from mailstack.queue.route import Router
from mailstack.queue.runner import Runner
from mailstack.queue.schedule import Schedule
from mailstack.queue.standing import Held
from mailstack.store import Claim, Settlement, Store
from mailstack.wire import Clock

_NO_FACTS: Mapping[str, Any] = {}


class Queue:
    """One office's queue, as the stations that take letters see it. All its state is in the store."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        store: Store,
        router: Router,
        runner: Runner,
        journal: Journal,
        local: Agent,
        owner: str,
        schedule: Schedule,
        clock: Clock,
        bouncer: Bouncer,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`local` is the agent of mailboxes here. `owner` names this process as the runner does.

        `jitter` gives numbers in [0, 1).
        """
        self._local = local
        self._store = store
        self._router = router
        self._runner = runner
        self._journal = journal
        self._owner = owner
        self._schedule = schedule
        self._clock = clock
        self._bouncer = bouncer
        self._jitter = jitter

    async def accept(self, letter: Letter, step: StepName, facts: Mapping[str, Any] = _NO_FACTS) -> None:
        """Take responsibility for a letter (RFC 5321 §6.1); durable when this returns.

        `step` says how it came ("submitted" or "exchanged"), `facts` what to tell of that beyond the arrival. Raises
        StoreFull, StoreError, and the Refusal of a letter that fits into none of its mailboxes: then we owe nothing.
        """
        routes = await self._router.route(letter.envelope.recipients)
        now = self._clock.now()
        claim = None
        if self._runner.may_claim:
            claim = FirstClaim.of(self._owner, self._schedule, self._runner.limits.lease, now, self._jitter())
        deliveries = first_deliveries(
            letter, routes, now=now, claim=claim, has_room=partial(self._runner.has_room, letter)
        )
        held = self._runner.standing.hold_entering(letter, deliveries, now) if self._runner.standing.active else Held()
        for change in held.changes:
            deliveries[change.before.number] = change.after
        here = await deliver_here(self._local, letter, deliveries, now)
        acceptance = enter(letter, routes, deliveries, here, step, facts, now)
        if held.steps:
            acceptance = replace(acceptance, steps=acceptance.steps + held.steps)
        dues = reports_due(letter, routes, here, now)
        reports = await self._bouncer.reports(dues, letter, now, claim) if dues else ()
        if reports:
            await self._store.settle(Settlement((), acceptances=(acceptance, *reports)))
        else:
            await self._store.accept(acceptance)
        # From here on the letter is ours, and nothing may fail its sender any more.
        self._journal.tell(acceptance.steps)
        self._runner.enter(reports)
        if len(here) < len(deliveries):
            self._runner.take(Claim(letter, acceptance.deliveries))
