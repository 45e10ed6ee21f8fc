"""Builds the acceptance of a letter: its deliveries and its first steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, Delivered, Failed, Letter, Outcome, Status, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step, StepName
from mailstack.letter.dsn import RecipientStatus
from mailstack.letter.time_parameters import TERMS, date_time_text, priority, released_at
from mailstack.letter.times import iso8601
from mailstack.policy.limits import OVER_QUOTA, OVER_QUOTA_PERMANENT
from mailstack.protocols.smtp.replies import Refusal
from mailstack.queue.attempt import Agent
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.recipient_routes import LOCAL, Route
from mailstack.queue.settings import InitialClaim
from mailstack.queue.settlement import ReportDue, StateChanges, is_report_requested, local_delivery
from mailstack.store import Acceptance, Placement

COPY_OF = "copy_of"
"""Name of the fact with the id of the original, for a copy; the journey of the original then names the copy."""

EXPANDED = Delivered(Status(2, 0, 0), "the message was expanded to the members of this address")


class PreparedAcceptance(Struct, frozen=True):
    """Acceptance of a letter, and the reports that are owed with it."""

    acceptance: Acceptance
    """Deliveries, steps and placements for the store."""
    reports: Sequence[ReportDue]
    """Reports to be stored in the same transaction."""
    is_settled: bool
    """Whether all deliveries are in mailboxes here, so that none is left to attempt."""


class AcceptanceBuilder:
    """Builds all that the store accepts with a letter, and applies hold rules and local deliveries at once."""

    def __init__(self, local: Agent, hold_rules: HoldRules) -> None:
        self._local = local
        self._hold_rules = hold_rules

    async def build(  # noqa: PLR0917  # each of a type of its own
        self,
        letter: Letter,
        routes: Sequence[Route],
        step: StepName,
        facts: Mapping[str, Any],
        now: float,
        claim: InitialClaim | None,
        has_capacity: Callable[[str], bool],
    ) -> PreparedAcceptance:
        """`claim` is for deliveries with a destination that passes `has_capacity`. Raises as `deliver_locally` does."""
        release = released_at(letter)
        if release > now:
            deliveries = _later_deliveries(letter, routes, release)
        else:
            deliveries = first_deliveries(letter, routes, now, claim, has_capacity)
        held: tuple[Step, ...] = ()
        if self._hold_rules.active:
            found = self._hold_rules.hold_entering(letter, deliveries, now)
            held = found.steps
            for change in found.changes:
                deliveries[change.before.number] = change.after
        local = await deliver_locally(self._local, letter, deliveries, now) if release <= now else []
        acceptance = build_acceptance(letter, routes, deliveries, local, step, facts, now)
        if held:
            acceptance = replace(acceptance, steps=acceptance.steps + held)
        return PreparedAcceptance(acceptance, reports_due(letter, routes, local, now), len(local) == len(deliveries))


def enter_report(
    report: Letter, routes: Sequence[Route], facts: Mapping[str, Any], now: float, claim: InitialClaim | None
) -> Acceptance:
    """Acceptance of a report: it is queued like any other letter, and never delivered in the same transaction."""
    deliveries = first_deliveries(report, routes, now, claim)
    return build_acceptance(report, routes, deliveries, (), "submitted", facts, now)


def first_deliveries(
    letter: Letter,
    routes: Sequence[Route],
    due: float,
    claim: InitialClaim | None,
    has_capacity: Callable[[str], bool] = lambda _: True,
) -> list[Delivery]:
    """A delivery for each route, claimed if `claim` is given and its destination has room; else `due` for a claim."""
    deliveries = []
    precedence = priority(letter.envelope)
    unclaimed = due, 0, None, 0.0
    claimed = unclaimed if claim is None else (claim.due, 1, claim.owner, claim.lease)
    for number, route in enumerate(routes):
        terms = claimed if claim is not None and has_capacity(route.destination) else unclaimed
        delivery = Delivery(letter.id, number, route.recipient, route.destination, DeliveryState.QUEUED, *terms)
        deliveries.append(replace(delivery, priority=precedence) if precedence else delivery)
    return deliveries


def _later_deliveries(letter: Letter, routes: Sequence[Route], release: float) -> list[Delivery]:
    """Deliveries of a letter that its sender holds back (RFC 4865)."""
    text = f"held for future release until {date_time_text(release)}"
    return [replace(delivery, text=text) for delivery in first_deliveries(letter, routes, release, None)]


async def deliver_locally(
    agent: Agent, letter: Letter, deliveries: Sequence[Delivery], now: float
) -> list[StateChanges]:
    """State changes of the deliveries to mailboxes here, which are stored with the acceptance.

    A delivery that fails stays queued for an attempt. Raises the Refusal of a letter if all its mailboxes are full:
    the client gets the refusal, and the sender no report.
    """
    local = tuple([one for one in deliveries if one.destination == LOCAL and one.state is DeliveryState.QUEUED])
    if not local:
        return []
    attempt = await agent.deliver(letter, local)
    if len(local) == len(deliveries) and all(map(_is_full, attempt.outcomes)):
        for_good = any(isinstance(outcome, Failed) for outcome in attempt.outcomes)
        raise Refusal(
            OVER_QUOTA_PERMANENT if for_good else OVER_QUOTA, f"message {letter.id} fits into none of its mailboxes"
        )
    report = new_letter_id(now) if len(local) > 1 else None
    return [
        local_delivery(letter, delivery, outcome, outcome.mailbox, now, report)
        for delivery, outcome in zip(local, attempt.outcomes, strict=True)
        if isinstance(outcome, Delivered) and outcome.mailbox is not None
    ]


def _is_full(outcome: Outcome) -> bool:
    """Whether the mailbox is full (RFC 3463 §3.3: X.2.2)."""
    return not isinstance(outcome, Delivered) and (outcome.status.subject, outcome.status.detail) == (2, 2)


def reports_due(letter: Letter, routes: Sequence[Route], local: Sequence[StateChanges], now: float) -> list[ReportDue]:
    """Reports that are due at once: one for expanded aliases, one for the mailboxes."""
    delivered = [due for settled in local for due in settled.reports]
    if len(delivered) > 1:
        notices = tuple([notice for due in delivered for notice in due.notices])
        delivered = [replace(delivered[0], notices=notices)]
    return _expansions(letter, routes, now) + delivered


def _expansions(letter: Letter, routes: Sequence[Route], now: float) -> list[ReportDue]:
    """The report on aliases with several members, if success was to be reported (RFC 3461 §5.2.7.3).

    The Router has removed that request from the members, so that none of them is reported again.
    """
    if not any([recipient.parameters for recipient in letter.envelope.recipients]):  # noqa: C419  # a list is quicker
        return []
    expanded = {
        route.recipient.original
        for route in routes
        if route.recipient.original and not route.recipient.wants_report("SUCCESS")
    }
    notices = [
        RecipientStatus(recipient, EXPANDED)
        for recipient in letter.envelope.recipients
        if recipient.address in expanded and is_report_requested(letter, recipient, "expanded")
    ]
    return [ReportDue("expanded", new_letter_id(now), tuple(notices))] if notices else []


def build_acceptance(  # noqa: PLR0917  # each of a type of its own
    letter: Letter,
    routes: Sequence[Route],
    deliveries: Sequence[Delivery],
    local: Sequence[StateChanges],
    step: StepName,
    facts: Mapping[str, Any],
    now: float,
) -> Acceptance:
    """Acceptance with the deliveries, the state changes of `local` applied, and the first steps."""
    server = letter.arrival.server
    steps = [Step(letter.id, now, server, step, {**_arrival_facts(letter), **facts})]
    if source := facts.get(COPY_OF):
        steps.append(Step(source, now, server, "copied", _copied_facts(letter, facts)))
    steps += [Step(letter.id, now, server, "routed", facts) for facts in _routed_facts(routes)]
    if (release := released_at(letter)) > now:
        recipients = [str(route.recipient.address) for route in routes]
        steps.append(Step(letter.id, now, server, "routed", {"recipients": recipients, "not_before": iso8601(release)}))
    entering = list(deliveries)
    placements: list[Placement] = []
    for settled in local:
        for change in settled.changes:
            entering[change.after.number] = change.after
        placements += settled.placements
        steps += settled.steps
    return Acceptance(letter, tuple(entering), tuple(steps), tuple(placements))


def _copied_facts(letter: Letter, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the step "copied" in the journey of the original."""
    copied: dict[str, Any] = {
        "copy": letter.id,
        "recipients": [str(recipient.address) for recipient in letter.envelope.recipients],
    }
    if letter.arrival.account is not None:
        copied["by"] = letter.arrival.account
    if reason := facts.get("why"):
        copied["why"] = reason
    return copied


def _arrival_facts(letter: Letter) -> dict[str, Any]:
    """Facts about the arrival of the letter; empty ones are left out."""
    arrival, envelope = letter.arrival, letter.envelope
    facts: dict[str, Any] = {
        "sender": "" if envelope.sender is None else str(envelope.sender),
        "recipients": [str(recipient.address) for recipient in envelope.recipients],
        "size": letter.content.size,
        "protocol": arrival.protocol,
    }
    if arrival.remote is not None:
        facts["client"] = arrival.remote.host
        facts["helo"] = arrival.helo
    terms = {keyword: value for keyword, value in envelope.parameters if keyword in TERMS}
    if terms:
        facts["terms"] = terms
    if arrival.account is not None:
        facts["by"] = arrival.account
        facts["mechanism"] = arrival.mechanism
    if arrival.tls is not None:
        facts["tls"] = {"version": arrival.tls.version, "cipher": arrival.tls.cipher}
    return facts


def _routed_facts(routes: Sequence[Route]) -> list[dict[str, Any]]:
    """Facts of one step for each mailbox here, and for each alias. The relay adds its own steps."""
    steps_facts: list[dict[str, Any]] = []
    aliases: dict[Address, list[str]] = {}
    for route in routes:
        recipient = route.recipient
        if recipient.original is not None:
            aliases.setdefault(recipient.original, []).append(str(recipient.address))
        elif route.mailbox is not None:
            steps_facts.append({"recipient": str(recipient.address), "via": "mailbox", "mailbox": route.mailbox})
        elif route.destination == LOCAL:
            steps_facts.append(
                {"recipient": str(recipient.address), "via": "mailbox", "why": "no mailbox has this address"}
            )
    steps_facts += [{"recipient": str(alias), "via": "alias", "targets": targets} for alias, targets in aliases.items()]
    return steps_facts
