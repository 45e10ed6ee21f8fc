"""Admin actions on queued letters, of a running or a stopped server.

Each action is a compare-and-set in the store, as the outcome of an attempt is. A delivery that is held or removed
during an attempt stays so unless the attempt succeeds. A running server sees the change at its next poll.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from mailstack.letter import Address, Failed, Letter, LetterId, Recipient, Status, new_letter_id
from mailstack.letter.delivery import OWED, RETRY_REQUESTED, Delivery, DeliveryState, Step, StepName, released_text
from mailstack.letter.dsn import RecipientStatus
from mailstack.queue.bounce import Bouncer
from mailstack.queue.recipient_routes import LOCAL, Route, Router
from mailstack.queue.settlement import ReportDue, is_report_requested
from mailstack.store import Acceptance, Change, Conflict, Filter, Record, Settlement, Store

REMOVED = Failed(Status(5, 7, 0), "the operator of the mail system removed the message from the queue")
_MAX_TRIES = 2

BATCH_SIZE = 200
"""Maximum number of letters read and written at once, so that a running server gets its turn in between."""


class ActionResult(Struct, frozen=True):
    """Result of an admin action for one delivery."""

    letter: LetterId
    recipient: str
    """Address of the recipient; empty if there is no such letter."""
    refusal_reason: str = ""
    """Reason why nothing was done, for people; empty on success."""
    step: Step | None = None
    """Step in the journey; None if nothing was done, and for a retry, which adds no step of its own."""

    @property
    def done(self) -> bool:
        return not self.refusal_reason


class _Action(Struct, frozen=True):
    """Action to be applied to letters."""

    apply: Callable[[Delivery, float], Delivery | str]
    """Computes the new delivery from the delivery and the time; a text is the reason for a refusal."""
    step: StepName | None
    bouncer: Bouncer | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    """Further facts of the step."""


_Plan = Callable[[Record], Awaitable[tuple[list[ActionResult], Settlement]]]


def _every(_letter: Letter, _delivery: Delivery) -> bool:
    return True


class QueueAdmin:
    """Holds, releases, retries, removes and redirects letters of all servers in one store."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        *,
        by: str = "operator",
        selects: Callable[[Letter, Delivery], bool] = _every,
        records: Iterable[Record] = (),
    ) -> None:
        """`by` is the name of the operator in the journey; `now` gives seconds since 1970.

        Only deliveries that `selects` accepts are changed and reported. `records` letters were just read; they are read
        again only after a conflict with an attempt.
        """
        self._store = store
        self._now = now
        self._by = by
        self._selects = selects
        self._records = {record.letter.id: record for record in records}

    async def hold(self, ids: Sequence[LetterId]) -> list[ActionResult]:
        """Stops attempts until `release`; an attempt under way is not interrupted. Raises StoreError."""
        return await self._apply(ids, _Action(_hold, "held"))

    async def release(self, ids: Sequence[LetterId], *, rule: str = "") -> list[ActionResult]:
        """Makes held deliveries due now; `rule` names the hold rule that is removed. Raises StoreError."""
        if rule:
            return await self._apply(ids, _Action(_release_by_rule, "released", facts={"rule": rule}))
        return await self._apply(ids, _Action(_release, "released"))

    async def retry(self, ids: Sequence[LetterId]) -> list[ActionResult]:
        """Makes waiting deliveries due now. Raises StoreError."""
        return await self._apply(ids, _Action(_retry, None))

    async def remove(self, ids: Sequence[LetterId], *, bouncer: Bouncer | None = None) -> list[ActionResult]:
        """Removes deliveries. With a `bouncer` the sender gets a report, except at the null reverse-path.

        Raises StoreError.
        """
        if bouncer is None:
            return await self._apply(ids, _Action(_remove, "removed"))
        # A report needs the current state of the deliveries.
        self._records.clear()
        return await self._apply(ids, _Action(_bounce, "bounced", bouncer))

    async def redirect(self, ids: Sequence[LetterId], to: Address, router: Router) -> list[ActionResult]:
        """Replaces each waiting recipient by another address; the sender stays.

        As with an alias (RFC 5321 §3.9.1), the sender gets the failure reports, under the original recipient.
        Raises StoreError.
        """
        return await self._apply_all(ids, self._redirect_plan(to, router))

    async def _apply(self, ids: Sequence[LetterId], action: _Action) -> list[ActionResult]:
        async def plan(record: Record) -> tuple[list[ActionResult], Settlement]:
            return await self._plan(record, action)

        return await self._apply_all(ids, plan)

    async def _apply_all(self, ids: Sequence[LetterId], plan: _Plan) -> list[ActionResult]:
        """Applies the plan to letters in their order; a letter is read again once after a conflict with an attempt."""
        letters = list(dict.fromkeys(ids))
        results: dict[LetterId, list[ActionResult]] = {}
        for start in range(0, len(letters), BATCH_SIZE):
            remaining = letters[start : start + BATCH_SIZE]
            for _ in range(_MAX_TRIES):
                remaining = await self._try(remaining, plan, results) if remaining else remaining
            for letter in remaining:
                conflict = "an attempt changed it at the same time; try again"
                results[letter] = [
                    ActionResult(letter, result.recipient, result.refusal_reason or conflict)
                    for result in results[letter]
                ]
        return [result for letter in letters for result in results[letter]]

    async def _try(
        self, ids: Sequence[LetterId], plan: _Plan, results: dict[LetterId, list[ActionResult]]
    ) -> list[LetterId]:
        """Writes the results to `results`; returns the letters that conflict with an attempt."""
        records = {letter: self._records.pop(letter) for letter in ids if letter in self._records}
        if unread := tuple([letter for letter in ids if letter not in records]):
            found = await self._store.history.records(Filter(ids=unread, limit=len(unread)))
            records.update({record.letter.id: record for record in found})
        changed: list[LetterId] = []
        settlements: list[Settlement] = []
        for letter in ids:
            if (record := records.get(letter)) is None:
                results[letter] = [ActionResult(letter, "", "no message has this id")]
                continue
            results[letter], settlement = await plan(record)
            if settlement.changes:
                changed.append(letter)
                settlements.append(settlement)
        troubles = await self._store.queue.settle_together(settlements) if settlements else []
        for error in troubles:
            if error is not None and not isinstance(error, Conflict):
                raise error
        return [letter for letter, error in zip(changed, troubles, strict=True) if error is not None]

    async def _plan(self, record: Record, action: _Action) -> tuple[list[ActionResult], Settlement]:
        """The results of an action, and the settlement to be written."""
        now, letter = self._now(), record.letter
        pairs = [(delivery, action.apply(delivery, now)) for delivery in self._selected(record)]
        changes = tuple(Change(before, after) for before, after in pairs if isinstance(after, Delivery))
        report = await _report(letter, changes, now, action.bouncer) if action.bouncer else None
        report_facts = {"report": report.letter.id} if report else {}
        results: list[ActionResult] = []
        for before, after in pairs:
            recipient = str(before.recipient.address)
            if isinstance(after, str):
                results.append(ActionResult(letter.id, recipient, after))
            elif action.step is None:
                results.append(ActionResult(letter.id, recipient))
            else:
                facts = {"recipient": recipient, "by": self._by, **action.facts, **report_facts}
                results.append(
                    ActionResult(
                        letter.id, recipient, "", Step(letter.id, now, letter.arrival.server, action.step, facts)
                    )
                )
        steps = tuple(result.step for result in results if result.step is not None)
        return results, Settlement(changes, steps=steps, acceptances=(report,) if report else ())

    def _selected(self, record: Record) -> list[Delivery]:
        return [delivery for delivery in record.deliveries if self._selects(record.letter, delivery)]

    def _redirect_plan(self, to: Address, router: Router) -> _Plan:
        async def plan(record: Record) -> tuple[list[ActionResult], Settlement]:
            now, letter = self._now(), record.letter
            refusals = [(one, _redirect_refusal(one, record, to, now)) for one in self._selected(record)]
            redirectable = [delivery for delivery, refusal in refusals if not refusal]
            routes = await router.route(
                tuple([_redirected_recipient(delivery.recipient, to) for delivery in redirectable])
            )
            no_mailbox = "" if all(map(_has_destination, routes)) else f"no mailbox here has the address {to}"
            results = [
                ActionResult(letter.id, str(one.recipient.address), refusal or no_mailbox)
                if refusal or no_mailbox
                else self._redirected(letter, one, to, now)
                for one, refusal in refusals
            ]
            if no_mailbox or not redirectable:
                return results, Settlement(())
            removed = [
                replace(one, state=DeliveryState.REMOVED, text=f"redirected to {to}", status=None)
                for one in redirectable
            ]
            changes = tuple([Change(before, after) for before, after in zip(redirectable, removed, strict=True)])
            steps = tuple([result.step for result in results if result.step is not None])
            return results, Settlement(
                changes, steps=steps, additions=_new_deliveries(record, redirectable[0], routes, now)
            )

        return plan

    def _redirected(self, letter: Letter, delivery: Delivery, to: Address, now: float) -> ActionResult:
        recipient = str(delivery.recipient.address)
        facts = {"recipient": recipient, "to": str(to), "by": self._by}
        return ActionResult(letter.id, recipient, "", Step(letter.id, now, letter.arrival.server, "redirected", facts))


async def _report(letter: Letter, changes: Sequence[Change], now: float, bouncer: Bouncer) -> Acceptance | None:
    """The failure report for the sender, for the queue; None if no report is due."""
    notices = tuple(
        RecipientStatus(change.before.recipient, REMOVED)
        for change in changes
        if is_report_requested(letter, change.before.recipient, "failed")
    )
    if letter.envelope.sender is None or not notices:
        return None
    return await bouncer.report(ReportDue("failed", new_letter_id(now), notices, now), letter, now, None)


def _hold(delivery: Delivery, _now: float) -> Delivery | str:
    if delivery.state is DeliveryState.HELD:
        return "it is held already"
    # A text without a status was written by an operator, and is no reason for this hold.
    text = delivery.text if delivery.status is not None else ""
    return _final_state_reason(delivery) or replace(delivery, state=DeliveryState.HELD, text=text)


def _release(delivery: Delivery, now: float) -> Delivery | str:
    """Release by name, written into the text: hold rules then need not read the journeys of thousands of letters."""
    due = _release_by_rule(delivery, now)
    return due if isinstance(due, str) or due.status is not None else replace(due, text=released_text(now))


def _release_by_rule(delivery: Delivery, now: float) -> Delivery | str:
    if delivery.state is not DeliveryState.HELD:
        return _final_state_reason(delivery) or "it is not held"
    # The journey has the reason of the hold.
    text = delivery.text if delivery.status is not None else ""
    return replace(delivery, state=DeliveryState.QUEUED, due=now, text=text)


def _retry(delivery: Delivery, now: float) -> Delivery | str:
    if delivery.state is DeliveryState.HELD:
        return "it is held; release it first"
    return (
        _final_state_reason(delivery)
        or _attempt_reason(delivery, now)
        or replace(delivery, due=now, text=RETRY_REQUESTED)
    )


def _remove(delivery: Delivery, _now: float) -> Delivery | str:
    return _final_state_reason(delivery) or replace(delivery, state=DeliveryState.REMOVED)


def _bounce(delivery: Delivery, now: float) -> Delivery | str:
    # Not during an attempt: the sender could get a failure report for a delivered letter.
    bounced = replace(delivery, state=DeliveryState.BOUNCED, status=REMOVED.status, text=REMOVED.text, host="")
    return _final_state_reason(delivery) or _attempt_reason(delivery, now) or bounced


def _final_state_reason(delivery: Delivery) -> str:
    """Reason why the delivery can't be changed any more; "" if it is still owed."""
    return "" if delivery.state in OWED else f"it is {delivery.state} already"


def _attempt_reason(delivery: Delivery, now: float) -> str:
    claimed = delivery.claimed_by is not None and delivery.lease > now
    return "an attempt is under way; try again when it has ended" if claimed else ""


def _redirect_refusal(delivery: Delivery, record: Record, to: Address, now: float) -> str:
    """Reason why a delivery can't be redirected; "" if it can."""
    if delivery.state in OWED and delivery.recipient.address.key == to.key:
        return "it goes there already"
    if delivery.state in OWED and any(
        other.recipient.address.key == to.key and other.state is not DeliveryState.REMOVED
        for other in record.deliveries
    ):
        return f"{to} is a recipient of it already; `remove` takes the other one out"
    return _final_state_reason(delivery) or _attempt_reason(delivery, now)


def _redirected_recipient(recipient: Recipient, to: Address) -> Recipient:
    """Recipient with the new address, and the original one for reports."""
    return Recipient(to, recipient.original or recipient.address, recipient.parameters)


def _has_destination(route: Route) -> bool:
    return route.destination != LOCAL or route.mailbox is not None


def _new_deliveries(record: Record, model: Delivery, routes: Sequence[Route], now: float) -> tuple[Delivery, ...]:
    """The deliveries to the new address, due now."""
    first = max(delivery.number for delivery in record.deliveries) + 1
    return tuple(
        Delivery(record.letter.id, number, route.recipient, route.destination, due=now, priority=model.priority)
        for number, route in enumerate(routes, first)
    )
