"""Journeys through all servers of one store: search, JSON objects, and text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from mailstack.letter import Envelope, LetterId
from mailstack.letter.delivery import OWED, Delivery, Step
from mailstack.letter.time_parameters import NORMAL, PRIORITY
from mailstack.letter.times import clean, clock_text, iso8601, local_text, size_text
from mailstack.store import Filter, Record, Store

MOST_OFFICES = 100
"""Letters that one journey may lead through; `Received:` is limited to as many hops (RFC 5321 §6.3)."""
MOST_CANDIDATES = 100
"""Letters between the same two people that are looked at for the source of one."""


class Journey(Struct, frozen=True):
    """The letter that was asked for, and what happened to it in every server of the store."""

    asked: LetterId
    records: tuple[Record, ...]
    """The source first, then its copies, and each server that one of them was relayed to."""
    steps: tuple[Step, ...]
    """The oldest first."""

    @property
    def source(self) -> Record:
        return self.records[0]

    @property
    def ended(self) -> bool:
        """Whether no server in this store has a pending delivery of it."""
        return not any(delivery.state in OWED for record in self.records for delivery in record.deliveries)


async def journey_of(store: Store, asked: LetterId) -> Journey | None:
    """The journey of a letter that any server of this store has seen; None when none has."""
    record = await _record(store, asked)
    if record is None:
        return None
    for _ in range(MOST_OFFICES):
        source = await _source_of(store, record)
        if source is None:
            break
        record = source
    records = [record]
    steps = await store.history.steps(record.letter.id)
    known = {record.letter.id}
    waiting = _led_to(steps)
    while waiting and len(records) < MOST_OFFICES:
        following = LetterId(waiting.pop(0))
        if following in known:
            continue
        known.add(following)
        further = await store.history.steps(following)
        there = await _record(store, following)
        if there is None or not any(step.step == "exchanged" or _source_in([step]) in known for step in further):
            continue
        records.append(there)
        steps += further
        waiting += _led_to(further)
    return Journey(asked, tuple(records), tuple(sorted(steps, key=lambda step: step.at)))


def _led_to(steps: Sequence[Step]) -> list[str]:
    """Its copies, and the ids under which other hosts said they had queued it: hostile text, so each must be looked up."""
    named = [step.facts.get("copy") if step.step == "copied" else step.facts.get("remote_id") for step in steps]
    return [str(each) for each in named if each]


def _source_in(steps: Sequence[Step]) -> LetterId | None:
    """The letter that this one is a copy of, as this server wrote it down itself when it made the copy."""
    return next((LetterId(str(step.facts["copy_of"])) for step in steps if step.facts.get("copy_of")), None)


async def _record(store: Store, letter: LetterId) -> Record | None:
    found = await store.history.records(Filter(ids=(letter,), limit=1))
    return found[0] if found else None


async def _source_of(store: Store, record: Record) -> Record | None:
    """The letter of this store that was copied, or in another server relayed, and became this one."""
    steps = await store.history.steps(record.letter.id)
    if (source := _source_in(steps)) is not None:
        return await _record(store, source)
    if not any(step.step == "exchanged" for step in steps):
        return None
    envelope = record.letter.envelope
    for recipient in envelope.recipients:
        which = Filter(
            sender=envelope.sender.key if envelope.sender else "",
            recipient=(recipient.original or recipient.address).key,
            limit=MOST_CANDIDATES,
        )
        for candidate in await store.history.records(which):
            if candidate.letter.id != record.letter.id and record.letter.id in _led_to(
                await store.history.steps(candidate.letter.id)
            ):
                return candidate
    return None


def sender_text(envelope: Envelope) -> str:
    """The reverse-path; "" is the null one, as in SMTP's `<>`."""
    return str(envelope.sender) if envelope.sender else ""


def recipient_texts(record: Record) -> list[str]:
    """The recipients as the sender wrote them."""
    return list(dict.fromkeys(str(r.original or r.address) for r in record.letter.envelope.recipients))


def state_of(record: Record) -> str | dict[str, str]:
    """One word when all recipients agree, else one for each of them; of a letter without recipients that it is appended."""
    if not record.deliveries:
        return APPENDED
    states = {str(delivery.recipient.address): str(delivery.state) for delivery in record.deliveries}
    words = set(states.values())
    return words.pop() if len(words) == 1 else states


def record_json(record: Record) -> dict[str, Any]:
    """JSON object of a letter for `letters --json`, `queue list --json` and `queue show --json`."""
    letter = record.letter
    return {
        "id": letter.id,
        "server": letter.arrival.server,
        "sender": sender_text(letter.envelope),
        "recipients": recipient_texts(record),
        "size": letter.content.size,
        "arrived": iso8601(letter.arrival.at),
        "state": state_of(record),
        "deliveries": [delivery_json(delivery) for delivery in record.deliveries],
    }


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """One recipient's progress."""
    return {
        "recipient": str(delivery.recipient.address),
        "state": str(delivery.state),
        "destination": delivery.destination,
        "attempts": delivery.attempts,
        "next_attempt": iso8601(delivery.due) if delivery.state in OWED else None,
        "status": str(delivery.status) if delivery.status else None,
        "text": delivery.text,
        "host": delivery.host,
    }


def journey_json(told: Journey) -> dict[str, Any]:
    """One letter's life."""
    return {
        "id": told.asked,
        "sender": sender_text(told.source.letter.envelope),
        "recipients": recipient_texts(told.source),
        "steps": [step_json(step) for step in told.steps],
    }


def step_json(step: Step) -> dict[str, Any]:
    """One step; its facts stand beside what every step has."""
    always = {"at": iso8601(step.at), "server": step.server, "step": step.step, "letter": step.letter}
    return always | {name: fact for name, fact in step.facts.items() if name not in always}


APPENDED = "appended"
"""State of a letter that an IMAP client put into a folder: it has no recipients and no deliveries."""

PHRASES = {
    "recipient": "for {}",
    "recipients": "for {}",
    "by": "by {}",
    "client": "from {}",
    "via": "via {}",
    "copy": "as letter {}",
    "copy_of": "a copy of letter {}",
    "host": "at {}",
    "mailbox": "into the mailbox of {}",
    "source": "from the folder {}",
    "folder": "to the folder {}",
    "targets": "to {}",
    "status": "{}",
    "reply": "{}",
    "why": "because {}",
    "file": "out of the file {}",
    "protocol": "{}",
    "tls": "{}",
    "report": "the sender is told in {}",
    "original": "reports that letter {}",
    "next_attempt": "again at {}",
    "not_before": "not before {}",
    "terms": "with {}",
    "bare_newlines": "with lines that end in LF alone, which other hosts refuse",
}
"""Facts with words of their own, in this order; others follow as `name=value`."""

REPORTED = {
    "failed": "has failed",
    "delayed": "is delayed",
    "delivered": "was delivered",
    "relayed": "was passed on",
    "expanded": "was passed on to several",
}
"""Phrases for the outcome in a delivery report written by the server."""

MOST_NAMED = 3
"""Recipients that one line names; of more it gives the first and the number."""

UNTOLD = frozenset(
    {"dialogue", "sender", "size", "helo", "mechanism", "candidates", "address", "port", "remote_id", "warned", "use"}
)
"""Facts that --json gives, and that say nothing more to a person."""

TROUBLE = frozenset({"deferred", "bounced"})
"""Steps before which the dialogue is what one wants to read."""


def headline(told: Journey) -> str:
    """Which letter this is."""
    letter = told.source.letter
    sender = sender_text(letter.envelope) or "<>"
    way = f"from {sender} to {names_text(recipient_texts(told.source))}"
    if not told.source.deliveries:
        way = f"appended by {letter.arrival.account}"
    return clean(f"Letter {letter.id} {way}, {size_text(letter.content.size)}, {local_text(letter.arrival.at)}")


def journey_lines(steps: Sequence[Step], *, dialogue: bool = False) -> Iterator[str]:
    """A line for each step, and below attempts what was said: in trouble always, else if `dialogue` asks for it."""
    troubled = _attempts_in_trouble(steps)
    for number, step in enumerate(steps):
        yield f"{clock_text(step.at)}  {clean(step.server):<16}  {step.step:<9}  {clean(facts_text(step))}".rstrip()
        if dialogue or number in troubled:
            yield from (f"{'':14}{clean(line)}" for line in _said(step))


def _attempts_in_trouble(steps: Sequence[Step]) -> set[int]:
    """The places of those attempts of which a deferral or a bounce came."""
    last_attempt: dict[tuple[str, str], int] = {}
    troubled: set[int] = set()
    for number, step in enumerate(steps):
        if step.step == "attempted":
            recipients = step.facts.get("recipients")
            for recipient in recipients if isinstance(recipients, list | tuple) else ():
                last_attempt[step.letter, str(recipient)] = number
        elif (
            step.step in TROUBLE
            and (found := last_attempt.get((step.letter, str(step.facts.get("recipient"))))) is not None
        ):
            troubled.add(found)
    return troubled


def facts_text(step: Step) -> str:
    """Explanation of a step in words."""
    facts = {name: fact for name, fact in step.facts.items() if _tells(step, name)}
    if "original" in facts:
        kind = str(facts.pop("report", ""))
        facts["original"] = f"{facts['original']} {REPORTED.get(kind, kind)}".rstrip()
    phrases = PHRASES if step.step not in {"read", "expunged"} else PHRASES | {"folder": "in the folder {}"}
    told = [phrases[name].format(_fact_text(name, facts[name])) for name in PHRASES if name in facts]
    told += [f"{name}={_fact_text(name, fact)}" for name, fact in facts.items() if name not in PHRASES]
    return ", ".join(told)


def _tells(step: Step, name: str) -> bool:
    """Whether a fact says something that the rest of the line, or the headline, does not."""
    facts = step.facts
    if facts[name] in (None, "", [], {}, False) or name in UNTOLD:
        return False
    said_elsewhere = {
        "host": str(facts[name]) in str(facts.get("reply", "")),
        "status": str(facts[name]) in str(facts.get("reply", "")),
        "recipients": step.step == "submitted",
        "recipient": bool(facts[name] == facts.get("mailbox")),
        "via": "mailbox" in facts,
        "protocol": bool(facts[name] == "LOCAL"),
        # That a letter is as urgent as any other goes without saying, and hosts say it of each (RFC 6710 §4.2).
        "terms": bool(facts[name] == {PRIORITY: str(NORMAL)}),
    }
    return not said_elsewhere.get(name, False)


def _fact_text(name: str, fact: Any) -> str:
    if name in {"next_attempt", "not_before"}:
        return _moment(fact)
    if isinstance(fact, dict):
        return str(fact.get("version", " ".join(f"{key}={value}" for key, value in fact.items())))
    if isinstance(fact, list | tuple):
        return names_text([str(part) for part in fact])
    # Words of others often end a sentence, and ours goes on.
    return str(fact).rstrip(".") if name == "reply" else str(fact)


def names_text(names: Sequence[str]) -> str:
    """Some names, as a sentence has them: "a, b and c", "a, b and 98 more"."""
    shown = (
        list(names) if len(names) <= MOST_NAMED else [*names[: MOST_NAMED - 1], f"{len(names) - MOST_NAMED + 1} more"]
    )
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _moment(fact: Any) -> str:
    """Time from seconds since 1970 or ISO 8601."""
    try:
        return local_text(fact if isinstance(fact, int | float) else datetime.fromisoformat(fact).timestamp())
    except (ValueError, TypeError, OverflowError, OSError):
        return str(fact)


def _said(step: Step) -> list[str]:
    said = step.facts.get("dialogue")
    return [str(line) for line in said] if isinstance(said, list | tuple) else []
