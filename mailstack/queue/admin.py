"""The Operator: what a person may do to letters that wait, beside a running server or on a stopped one.

Each act is a compare-and-set in the store, as an attempt's outcome is, so neither needs to know of the other: what an
operator holds or removes while an attempt is under way stays so unless the attempt succeeds. A running server sees
the change at its next look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from mailstack.letter import Address, Failed, Letter, LetterId, Recipient, Status, new_letter_id
from mailstack.letter.delivery import OWED, RETRY_REQUESTED, Delivery, DeliveryState, released_text
from mailstack.letter.dsn import RecipientStatus
from mailstack.letter.step import Step, StepName
from mailstack.queue.bounce import Bouncer
from mailstack.queue.route import LOCAL, Route, Router
from mailstack.queue.settlement import ReportDue, report_wanted
from mailstack.store import Acceptance, Change, Conflict, Filter, Record, Settlement, Store

REMOVED = Failed(Status(5, 7, 0), "the operator of the mail system took the letter out of the queue")
_TRIES = 2

TOGETHER = 200
"""Letters that are read, and written, at once: a server that runs beside has its turn in between."""


class ActionResult(Struct, frozen=True):
    """What became of an operator's wish for one delivery."""

    letter: LetterId
    recipient: str
    """Empty when there is no such letter."""
    why_not: str = ""
    """Why nothing was done, for people; empty when it was."""
    step: Step | None = None
    """What the journey tells of it; None when nothing was done, and for a retry, which the next attempt tells."""

    @property
    def done(self) -> bool:
        return not self.why_not


class _Wish(Struct, frozen=True):
    """One of the acts, for whatever letter."""

    becomes: Callable[[Delivery, float], Delivery | str]
    """The delivery as it shall be, or why it can't be so; given the time."""
    step: StepName | None
    bouncer: Bouncer | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    """More for the step."""


_Plan = Callable[[Record], Awaitable[tuple[list[ActionResult], Settlement]]]


def _every(_letter: Letter, _delivery: Delivery) -> bool:
    return True


class QueueAdmin:
    """Acts in one store, for whichever server owns the letters."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        *,
        by: str = "operator",
        picks: Callable[[Letter, Delivery], bool] = _every,
        known: Iterable[Record] = (),
    ) -> None:
        """`by` is what the journey calls the person; `now` gives seconds since 1970.

        Of the letters' deliveries only those that `picks` takes are acted on, and told of. `known` letters were read a
        moment ago, and are read again only where an attempt came between.
        """
        self._store = store
        self._now = now
        self._by = by
        self._picks = picks
        self._known = {record.letter.id: record for record in known}

    async def hold(self, ids: Sequence[LetterId]) -> list[ActionResult]:
        """No attempt is made until `release`; one that is under way ends as it may. Raises StoreError."""
        return await self._each(ids, _Wish(_held, "held"))

    async def release(self, ids: Sequence[LetterId], *, rule: str = "") -> list[ActionResult]:
        """What was held is due now; `rule` is the one that is taken back by this. Raises StoreError."""
        if rule:
            return await self._each(ids, _Wish(_let_go, "released", facts={"rule": rule}))
        return await self._each(ids, _Wish(_released, "released"))

    async def retry(self, ids: Sequence[LetterId]) -> list[ActionResult]:
        """What waits for its time is due now. Raises StoreError."""
        return await self._each(ids, _Wish(_hurried, None))

    async def remove(self, ids: Sequence[LetterId], *, bouncer: Bouncer | None = None) -> list[ActionResult]:
        """We owe it no longer. With a `bouncer` the sender is told, unless he is the null reverse-path.

        Raises StoreError.
        """
        if bouncer is None:
            return await self._each(ids, _Wish(_removed, "removed"))
        # Nobody is told of a failure by what was true a moment ago.
        self._known.clear()
        return await self._each(ids, _Wish(_bounced, "bounced", bouncer))

    async def redirect(self, ids: Sequence[LetterId], to: Address, router: Router) -> list[ActionResult]:
        """The letter goes to another address in place of each recipient that still waits, and keeps its sender.

        So does an alias (RFC 5321 §3.9.1): who wrote the letter hears of its failures, under the recipient he named.
        Raises StoreError.
        """
        return await self._retried(ids, self._redirecting(to, router))

    async def _each(self, ids: Sequence[LetterId], wish: _Wish) -> list[ActionResult]:
        async def plan(record: Record) -> tuple[list[ActionResult], Settlement]:
            return await self._plan(record, wish)

        return await self._retried(ids, plan)

    async def _retried(self, ids: Sequence[LetterId], plan: _Plan) -> list[ActionResult]:
        """Letters in their order; read again once where an attempt came between reading and writing."""
        letters = list(dict.fromkeys(ids))
        acts: dict[LetterId, list[ActionResult]] = {}
        for start in range(0, len(letters), TOGETHER):
            left = letters[start : start + TOGETHER]
            for _ in range(_TRIES):
                left = await self._try(left, plan, acts) if left else left
            for letter in left:
                between = "an attempt came between; try again"
                acts[letter] = [ActionResult(letter, act.recipient, act.why_not or between) for act in acts[letter]]
        return [act for letter in letters for act in acts[letter]]

    async def _try(
        self, ids: Sequence[LetterId], plan: _Plan, acts: dict[LetterId, list[ActionResult]]
    ) -> list[LetterId]:
        """Note in `acts` what becomes of these letters; those are returned to which an attempt came between."""
        records = {letter: self._known.pop(letter) for letter in ids if letter in self._known}
        if unread := tuple([letter for letter in ids if letter not in records]):
            found = await self._store.records(Filter(ids=unread, limit=len(unread)))
            records.update({record.letter.id: record for record in found})
        changed: list[LetterId] = []
        settlements: list[Settlement] = []
        for letter in ids:
            if (record := records.get(letter)) is None:
                acts[letter] = [ActionResult(letter, "", "no letter has this id")]
                continue
            acts[letter], settlement = await plan(record)
            if settlement.changes:
                changed.append(letter)
                settlements.append(settlement)
        troubles = await self._store.settle_together(settlements) if settlements else []
        for trouble in troubles:
            if trouble is not None and not isinstance(trouble, Conflict):
                raise trouble
        return [letter for letter, trouble in zip(changed, troubles, strict=True) if trouble is not None]

    async def _plan(self, record: Record, wish: _Wish) -> tuple[list[ActionResult], Settlement]:
        """What to write, and what can be said once it is written."""
        now, letter = self._now(), record.letter
        pairs = [(delivery, wish.becomes(delivery, now)) for delivery in self._picked(record)]
        changes = tuple(Change(before, after) for before, after in pairs if isinstance(after, Delivery))
        report = await _report(letter, changes, now, wish.bouncer) if wish.bouncer else None
        told = {"report": report.letter.id} if report else {}
        acts: list[ActionResult] = []
        for before, after in pairs:
            recipient = str(before.recipient.address)
            if isinstance(after, str):
                acts.append(ActionResult(letter.id, recipient, after))
            elif wish.step is None:
                acts.append(ActionResult(letter.id, recipient))
            else:
                facts = {"recipient": recipient, "by": self._by, **wish.facts, **told}
                acts.append(
                    ActionResult(
                        letter.id, recipient, "", Step(letter.id, now, letter.arrival.server, wish.step, facts)
                    )
                )
        steps = tuple(act.step for act in acts if act.step is not None)
        return acts, Settlement(changes, steps=steps, acceptances=(report,) if report else ())

    def _picked(self, record: Record) -> list[Delivery]:
        return [delivery for delivery in record.deliveries if self._picks(record.letter, delivery)]

    def _redirecting(self, to: Address, router: Router) -> _Plan:
        async def plan(record: Record) -> tuple[list[ActionResult], Settlement]:
            now, letter = self._now(), record.letter
            refusals = [(one, _not_redirected(one, record, to, now)) for one in self._picked(record)]
            leaving = [delivery for delivery, why_not in refusals if not why_not]
            routes = await router.route(tuple([_instead(delivery.recipient, to) for delivery in leaving]))
            nowhere = "" if all(map(_leads_somewhere, routes)) else f"no mailbox here has the address {to}"
            acts = [
                ActionResult(letter.id, str(one.recipient.address), why_not or nowhere)
                if why_not or nowhere
                else self._redirected(letter, one, to, now)
                for one, why_not in refusals
            ]
            if nowhere or not leaving:
                return acts, Settlement(())
            gone = [
                replace(one, state=DeliveryState.REMOVED, text=f"redirected to {to}", status=None) for one in leaving
            ]
            changes = tuple([Change(before, after) for before, after in zip(leaving, gone, strict=True)])
            steps = tuple([act.step for act in acts if act.step is not None])
            return acts, Settlement(changes, steps=steps, additions=_added(record, leaving[0], routes, now))

        return plan

    def _redirected(self, letter: Letter, delivery: Delivery, to: Address, now: float) -> ActionResult:
        recipient = str(delivery.recipient.address)
        facts = {"recipient": recipient, "to": str(to), "by": self._by}
        return ActionResult(letter.id, recipient, "", Step(letter.id, now, letter.arrival.server, "redirected", facts))


async def _report(letter: Letter, changes: Sequence[Change], now: float, bouncer: Bouncer) -> Acceptance | None:
    """The report that the sender shall have; a running server finds it in the queue."""
    notices = tuple(
        RecipientStatus(change.before.recipient, REMOVED)
        for change in changes
        if report_wanted(letter, change.before.recipient, "failed")
    )
    if letter.envelope.sender is None or not notices:
        return None
    return await bouncer.report(ReportDue("failed", new_letter_id(now), notices, now), letter, now, None)


def _held(delivery: Delivery, _now: float) -> Delivery | str:
    if delivery.state is DeliveryState.HELD:
        return "it is held already"
    # What an operator said before is no reason to be held.
    text = delivery.text if delivery.status is not None else ""
    return _stopped(delivery) or replace(delivery, state=DeliveryState.HELD, text=text)


def _released(delivery: Delivery, now: float) -> Delivery | str:
    """By name, and it says so itself: the journeys of thousands need not be read to know that rules don't hold them."""
    due = _let_go(delivery, now)
    return due if isinstance(due, str) or due.status is not None else replace(due, text=released_text(now))


def _let_go(delivery: Delivery, now: float) -> Delivery | str:
    if delivery.state is not DeliveryState.HELD:
        return _stopped(delivery) or "it is not held"
    # Why it was held is told by the journey, and is no reason to wait any more.
    text = delivery.text if delivery.status is not None else ""
    return replace(delivery, state=DeliveryState.QUEUED, due=now, text=text)


def _hurried(delivery: Delivery, now: float) -> Delivery | str:
    if delivery.state is DeliveryState.HELD:
        return "it is held; release it first"
    return _stopped(delivery) or _under_way(delivery, now) or replace(delivery, due=now, text=RETRY_REQUESTED)


def _removed(delivery: Delivery, _now: float) -> Delivery | str:
    return _stopped(delivery) or replace(delivery, state=DeliveryState.REMOVED)


def _bounced(delivery: Delivery, now: float) -> Delivery | str:
    # Not while an attempt is under way: the sender would hear of a failure, and the recipient get the letter.
    bounced = replace(delivery, state=DeliveryState.BOUNCED, status=REMOVED.status, text=REMOVED.text, host="")
    return _stopped(delivery) or _under_way(delivery, now) or bounced


def _stopped(delivery: Delivery) -> str:
    """Why nothing can be done any more; "" for what is still owed."""
    return "" if delivery.state in OWED else f"it is {delivery.state} already"


def _under_way(delivery: Delivery, now: float) -> str:
    claimed = delivery.claimed_by is not None and delivery.lease > now
    return "an attempt is under way; try again when it has ended" if claimed else ""


def _not_redirected(delivery: Delivery, record: Record, to: Address, now: float) -> str:
    """Why a delivery can't go to another address; "" when it can."""
    if delivery.state in OWED and delivery.recipient.address.key == to.key:
        return "it goes there already"
    if delivery.state in OWED and any(
        other.recipient.address.key == to.key and other.state is not DeliveryState.REMOVED
        for other in record.deliveries
    ):
        return f"{to} is a recipient of it already; `remove` takes the other one out"
    return _stopped(delivery) or _under_way(delivery, now)


def _instead(recipient: Recipient, to: Address) -> Recipient:
    """The new address, under the name that the sender knows."""
    return Recipient(to, recipient.original or recipient.address, recipient.parameters)


def _leads_somewhere(route: Route) -> bool:
    return route.destination != LOCAL or route.mailbox is not None


def _added(record: Record, like: Delivery, routes: Sequence[Route], now: float) -> tuple[Delivery, ...]:
    """The deliveries to where a letter goes instead, due now."""
    first = max(delivery.number for delivery in record.deliveries) + 1
    return tuple(
        Delivery(record.letter.id, number, route.recipient, route.destination, due=now, priority=like.priority)
        for number, route in enumerate(routes, first)
    )
