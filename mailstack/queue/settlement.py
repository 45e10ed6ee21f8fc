"""Turns outcomes of one attempt into new states, placements, steps and reports.

Pure: nothing here waits or writes. The table, for one delivery (see the states in `mailstack.queue`):

    outcome    and                          state      step      report
    ---------  ---------------------------  ---------  --------  -----------------------------------
    Delivered  a mailbox here               delivered  delivered "delivered", if requested
    Delivered  another host, with DSN       relayed    relayed   - (the host there reports)
    Delivered  another host, without        relayed    relayed   "relayed", if requested
    Delivered  another host, BY traced, or  relayed    relayed   "relayed"
               it has no DELIVERBY
    Deferred   before give_up_after         queued     deferred  "delayed", once, if it is late
    Deferred   deadline passed, mode R      bounced    bounced   "failed"
    Deferred   after give_up_after          bounced    bounced   "failed"
    Failed     -                            bounced    bounced   "failed"

One report of a kind covers all recipients of the attempt. None is owed to the null reverse-path (RFC 5321 §4.5.5), but
for a report of this server that fails: the postmaster gets that one. NOTIFY decides about all others (RFC 3461 §4.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import (
    Address,
    Deferred,
    Delivered,
    Failed,
    Letter,
    LetterId,
    Outcome,
    Recipient,
    Status,
    new_letter_id,
)
from mailstack.letter.delivery import Delivery, DeliveryState, Step, StepName
from mailstack.letter.dsn import RecipientStatus, ReportKind
from mailstack.letter.envelope import Event
from mailstack.letter.time_parameters import Deadline, date_time_text, deadline, released_at
from mailstack.letter.times import iso8601
from mailstack.queue.attempt import MAX_TEXT, Attempt, outcome_facts, relayed_facts, span_text, steps_of_attempt
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.store import Change, Placement

EXPIRED = Status(5, 4, 7)
OVERDUE = Status(4, 4, 7)
_EVENTS: Mapping[ReportKind, Event] = {"failed": "FAILURE", "delayed": "DELAY"}


class Times(NamedTuple):
    """Start and end of an attempt, in seconds since 1970."""

    started: float
    finished: float


class ReportDue(Struct, frozen=True):
    """Report that is due, with its id: the steps of the original name it before the report is written."""

    kind: ReportKind
    id: LetterId
    notices: tuple[RecipientStatus, ...]
    retry_until: float = 0.0
    """Time at which the original expires, in seconds since 1970, for a report of delay."""
    to: Address | None = None
    """Recipient of the report; None: the sender of the original."""


class StateChanges(Struct, frozen=True):
    """All changes of one attempt; its reports are still to be composed."""

    changes: tuple[Change, ...]
    placements: tuple[Placement, ...]
    steps: tuple[Step, ...]
    reports: tuple[ReportDue, ...]


def settle(
    letter: Letter,
    deliveries: tuple[Delivery, ...],
    attempt: Attempt,
    times: Times,
    *,
    schedule: RetrySchedule,
    jitter: float,
    postmaster: Address | None = None,
) -> StateChanges:
    """Applies the table above to all deliveries of an attempt; raises ValueError unless each has an outcome.

    `postmaster` gets the reports on reports of this server that fail; None: there are none.
    """
    if len(deliveries) == 1 and len(attempt.outcomes) == 1:
        outcome = attempt.outcomes[0]
        if isinstance(outcome, Delivered) and outcome.mailbox is not None and not attempt.route:
            return local_delivery(letter, deliveries[0], outcome, outcome.mailbox, times.finished)
        if isinstance(outcome, Delivered) and _is_only_relayed(letter, deliveries[0], outcome):
            return _to_another_host(letter, deliveries[0], outcome, attempt, times)
    return _ChangeBuilder(letter, attempt, times, schedule, jitter, _fallback_recipient(letter, postmaster)).close(
        deliveries
    )


def local_delivery(  # noqa: PLR0917  # each of a type of its own
    letter: Letter, delivery: Delivery, outcome: Delivered, mailbox: str, now: float, report: LetterId | None = None
) -> StateChanges:
    """State changes of a delivery to a mailbox here, without the cost of the builder.

    `report` is the id of the success report, if one is due; deliveries with the same id share it.
    """
    facts = {"recipient": str(delivery.recipient.address), "mailbox": mailbox}
    if outcome.folder:
        facts["folder"] = outcome.folder
    reports: tuple[ReportDue, ...] = ()
    if is_report_requested(letter, delivery.recipient, "delivered"):
        reports = (
            ReportDue("delivered", report or new_letter_id(now), (RecipientStatus(delivery.recipient, outcome),)),
        )
        facts["report"] = reports[0].id
    return StateChanges(
        (Change(delivery, _after(delivery, DeliveryState.DELIVERED, outcome, now)),),
        (_placement(letter, delivery, outcome, mailbox, now),),
        (Step(letter.id, now, letter.arrival.server, "delivered", facts),),
        reports,
    )


def _is_only_relayed(letter: Letter, delivery: Delivery, outcome: Delivered) -> bool:
    """Whether the relaying of the letter needs no report."""
    recipient = delivery.recipient
    return (
        outcome.mailbox is None
        and not letter.envelope.parameters
        and not is_report_requested(letter, recipient, "relayed")
    )


def _to_another_host(
    letter: Letter, delivery: Delivery, outcome: Delivered, attempt: Attempt, times: Times
) -> StateChanges:
    """State changes of a relayed delivery without a report, without the cost of the builder."""
    facts = relayed_facts(delivery, outcome, attempt)
    steps = steps_of_attempt(letter, (delivery,), attempt, times.started)
    steps.append(Step(letter.id, times.finished, letter.arrival.server, "relayed", facts))
    change = Change(delivery, _after(delivery, DeliveryState.RELAYED, outcome, times.finished))
    return StateChanges((change,), (), tuple(steps), ())


def is_report_requested(letter: Letter, recipient: Recipient, kind: ReportKind) -> bool:
    """Whether a report of this kind is due: never on a report, otherwise by NOTIFY (RFC 3461 §4.1)."""
    return letter.envelope.sender is not None and recipient.wants_report(_EVENTS.get(kind, "SUCCESS"))


def _fallback_recipient(letter: Letter, postmaster: Address | None) -> Address | None:
    """Recipient of a report on a failed report of this server: the postmaster, except on reports to the postmaster.

    Other letters with the null reverse-path come from other hosts, which could fill that mailbox with them.
    """
    if postmaster is None or letter.envelope.sender is not None or letter.arrival.protocol != "LOCAL":
        return None
    readers = {recipient.address.key for recipient in letter.envelope.recipients}
    return None if postmaster.key in readers else postmaster


class _ChangeBuilder:
    """Builds the state changes of one attempt."""

    def __init__(  # noqa: PLR0917  # each of a type of its own
        self,
        letter: Letter,
        attempt: Attempt,
        times: Times,
        schedule: RetrySchedule,
        jitter: float,
        fallback: Address | None,
    ) -> None:
        self._letter = letter
        self._attempt = attempt
        self._born = released_at(letter)
        self._deadline = deadline(letter)
        self._started, self._now = times
        self._schedule = schedule
        self._jitter = jitter
        self._fallback = fallback
        self._changes: list[Change] = []
        self._placements: list[Placement] = []
        self._steps: list[Step] = []
        self._failed: list[tuple[Delivery, Failed]] = []
        self._delayed: list[RecipientStatus] = []

    def close(self, deliveries: tuple[Delivery, ...]) -> StateChanges:
        self._steps += steps_of_attempt(self._letter, deliveries, self._attempt, self._started)
        pairs = list(zip(deliveries, self._attempt.outcomes, strict=True))
        succeeded = [(delivery, outcome) for delivery, outcome in pairs if isinstance(outcome, Delivered)]
        reports = [*self._add_successes("delivered", succeeded), *self._add_successes("relayed", succeeded)]
        for delivery, outcome in pairs:
            if not isinstance(outcome, Delivered):
                self._add_failure(delivery, outcome)
        reports += [*self._add_failures(), *self._report("delayed", self._delayed)]
        return StateChanges(tuple(self._changes), tuple(self._placements), tuple(self._steps), tuple(reports))

    def _add_failure(self, delivery: Delivery, outcome: Deferred | Failed) -> None:
        match outcome:
            case Deferred() if self._deadline is not None and self._deadline.returns and self._now >= self._deadline.at:
                self._failed.append((delivery, too_late(self._deadline, f"; at last: {outcome.text}", outcome.host)))
            case Deferred() if not self._schedule.is_expired(self._born, self._now):
                self._defer(delivery, outcome)
            case Deferred():
                text = f"gave up after trying for {span_text(self._schedule.give_up_after)}; at last: {outcome.text}"
                self._failed.append((delivery, Failed(EXPIRED, text, outcome.host)))
            case Failed():
                self._failed.append((delivery, outcome))

    def _defer(self, delivery: Delivery, outcome: Deferred) -> None:
        due = self._schedule.next_due(self._born, delivery.attempts, self._now, self._jitter)
        overdue, late = False, self._schedule.is_late(self._born, self._now)
        if self._deadline is not None and self._deadline.at > self._now:
            # Due again at the deadline, so that the sender is notified then. With mode N this is the only notification,
            # so that none is sent before (RFC 2852 §4.1.3).
            due = min(due, self._deadline.at)
            late = late and self._deadline.returns
        elif self._deadline is not None:
            # A previous host has reported a deadline that had passed before the letter arrived (RFC 2852 §4).
            overdue = self._deadline.at > self._letter.arrival.at
        warns = not delivery.warned and (overdue or late)
        warns = warns and is_report_requested(self._letter, delivery.recipient, "delayed")
        after = _after(delivery, DeliveryState.QUEUED, outcome, due, warned=delivery.warned or warns)
        self._changes.append(Change(delivery, after))
        if warns:
            reported = replace(outcome, status=OVERDUE) if overdue else outcome
            self._delayed.append(RecipientStatus(delivery.recipient, reported))
        self._step("deferred", {**outcome_facts(delivery, outcome), "next_attempt": iso8601(due), "warned": warns})

    def _add_successes(
        self, kind: Literal["delivered", "relayed"], succeeded: Sequence[tuple[Delivery, Delivered]]
    ) -> list[ReportDue]:
        pairs_of_kind = [(one, how) for one, how in succeeded if (how.mailbox is None) == (kind == "relayed")]
        # RFC 3461 §5.2.1, §5.2.2: a host with DSN sends its own report; for one without, this server reports "relayed".
        notices = [
            RecipientStatus(one.recipient, how)
            for one, how in pairs_of_kind
            if (not how.dsn and is_report_requested(self._letter, one.recipient, kind))
            or self._is_traced(one.recipient, how)
        ]
        reports = self._report(kind, notices)
        named = {notice.recipient for notice in notices}
        for delivery, outcome in pairs_of_kind:
            facts = {"report": reports[0].id} if delivery.recipient in named else {}
            self._add_success(delivery, outcome, facts)
        return reports

    def _is_traced(self, recipient: Recipient, outcome: Delivered) -> bool:
        """Whether a relaying is reported because the letter has a deadline (RFC 2852 §4.1.4).

        The report names the host at which the letter may be late: every host with tracing, otherwise the first one
        without DELIVERBY.
        """
        by = self._deadline
        if by is None or outcome.mailbox is not None or self._letter.envelope.sender is None:
            return False
        never = dict(recipient.parameters).get("NOTIFY", "").upper() == "NEVER"
        return not never and (by.traced or not outcome.deliver_by)

    def _add_success(self, delivery: Delivery, outcome: Delivered, facts: Mapping[str, Any]) -> None:
        if outcome.mailbox is None:
            self._change(delivery, DeliveryState.RELAYED, outcome)
            self._step("relayed", {**relayed_facts(delivery, outcome, self._attempt), **facts})
        else:
            self._change(delivery, DeliveryState.DELIVERED, outcome)
            self._placements.append(_placement(self._letter, delivery, outcome, outcome.mailbox, self._now))
            recipient = str(delivery.recipient.address)
            if outcome.folder:
                facts = {"folder": outcome.folder, **facts}
            self._step("delivered", {"recipient": recipient, "mailbox": outcome.mailbox, **facts})

    def _add_failures(self) -> list[ReportDue]:
        """Adds the failures, and the report on them, which their steps name."""
        notices = [
            RecipientStatus(one.recipient, why)
            for one, why in self._failed
            if self._fallback is not None or is_report_requested(self._letter, one.recipient, "failed")
        ]
        reports = self._report("failed", notices, self._fallback)
        for delivery, outcome in self._failed:
            self._change(delivery, DeliveryState.BOUNCED, outcome)
            facts = outcome_facts(delivery, outcome)
            if reports and self._fallback is not None:
                self._step("bounced", {**facts, "report": reports[0].id, "report_to": str(self._fallback)})
            elif reports and is_report_requested(self._letter, delivery.recipient, "failed"):
                self._step("bounced", {**facts, "report": reports[0].id})
            elif self._letter.envelope.sender is None:
                self._step("bounced", {**facts, "why": "no report: the reverse-path is null"})
            else:
                self._step("bounced", {**facts, "why": "no report: the sender requested none"})
        return reports

    def _report(self, kind: ReportKind, notices: list[RecipientStatus], to: Address | None = None) -> list[ReportDue]:
        """The report of this kind, if it has any notice."""
        until = self._born + self._schedule.give_up_after
        return [ReportDue(kind, new_letter_id(self._now), tuple(notices), until, to)] if notices else []

    def _change(self, delivery: Delivery, state: DeliveryState, outcome: Outcome) -> None:
        self._changes.append(Change(delivery, _after(delivery, state, outcome, self._now)))

    def _step(self, name: StepName, facts: Mapping[str, Any]) -> None:
        self._steps.append(Step(self._letter.id, self._now, self._letter.arrival.server, name, facts))


def too_late(deadline: Deadline, detail: str = "", host: str = "") -> Failed:
    """Failure of a letter that is returned at its deadline (RFC 2852 §4.1.3)."""
    return Failed(EXPIRED, f"not delivered by {date_time_text(deadline.at)}, as its sender requested{detail}", host)


def _after(
    delivery: Delivery, state: DeliveryState, outcome: Outcome, due: float, *, warned: bool | None = None
) -> Delivery:
    """The delivery with its claim released; written out for speed."""
    return Delivery(
        delivery.letter,
        delivery.number,
        delivery.recipient,
        delivery.destination,
        state,
        due,
        delivery.attempts,
        None,
        0.0,
        outcome.status,
        outcome.text[:MAX_TEXT],
        outcome.host,
        delivery.warned if warned is None else warned,
        delivery.priority,
    )


def _placement(letter: Letter, delivery: Delivery, outcome: Delivered, mailbox: str, now: float) -> Placement:
    size = len(outcome.headers) + letter.content.size
    if outcome.folder:
        folder = outcome.folder_mailbox
        return Placement(folder, (letter.id, delivery.number), outcome.headers, size, now, mailbox)
    return Placement(mailbox, (letter.id, delivery.number), outcome.headers, size, now)
