"""One journey as lines for people: when, where, what, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from mailstack.cli.follow import Journey
from mailstack.cli.printing import clean, size_text
from mailstack.cli.records import recipient_texts, sender_text
from mailstack.cli.when import clock_text, local_text
from mailstack.journey import Step

PHRASES = {
    "recipient": "{}",
    "recipients": "to {}",
    "by": "by {}",
    "client": "from {}",
    "via": "via {}",
    "host": "at {}",
    "mailbox": "into the mailbox of {}",
    "targets": "to {}",
    "status": "{}",
    "reply": "{}",
    "why": "because {}",
    "protocol": "{}",
    "tls": "{}",
    "report": "report {}",
    "original": "on letter {}",
    "next_attempt": "again at {}",
}
"""The facts that are told in words, in this order; others follow as `name=value`."""

UNTOLD = frozenset(
    {"dialogue", "sender", "size", "helo", "mechanism", "candidates", "address", "port", "remote_id", "warned"}
)
"""Facts that --json gives, and that say nothing more to a person."""

TROUBLE = frozenset({"deferred", "bounced"})
"""Steps before which the dialogue is what one wants to read."""


def headline(told: Journey) -> str:
    """Which letter this is."""
    letter = told.source.letter
    sender = sender_text(letter.envelope) or "<>"
    return clean(
        f"Letter {letter.id} from {sender} to {', '.join(recipient_texts(told.source))},"
        f" {size_text(letter.content.size)}, {local_text(letter.arrival.at)}"
    )


def journey_lines(steps: Sequence[Step], *, dialogue: bool = False) -> Iterator[str]:
    """A line for each step, and below attempts what was said: in trouble always, else if `dialogue` asks for it."""
    troubled = _attempts_in_trouble(steps)
    for number, step in enumerate(steps):
        yield f"{clock_text(step.at)}  {clean(step.office):<16}  {step.step:<9}  {clean(facts_text(step))}".rstrip()
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
    """What explains the step, in words."""
    facts = {name: fact for name, fact in step.facts.items() if _tells(step, name)}
    told = [PHRASES[name].format(_fact_text(name, facts[name])) for name in PHRASES if name in facts]
    told += [f"{name}={_fact_text(name, fact)}" for name, fact in facts.items() if name not in PHRASES]
    return ", ".join(told)


def _tells(step: Step, name: str) -> bool:
    """Whether a fact says something that the rest of the line, or the headline, does not."""
    if step.facts[name] in (None, "", [], {}, False) or name in UNTOLD:
        return False
    if name in ("host", "status"):
        return str(step.facts[name]) not in str(step.facts.get("reply", ""))
    return not (name == "recipients" and step.step == "submitted")


def _fact_text(name: str, fact: Any) -> str:
    if name == "next_attempt":
        return _moment(fact)
    if isinstance(fact, dict):
        return str(fact.get("version", " ".join(f"{key}={value}" for key, value in fact.items())))
    if isinstance(fact, list | tuple):
        return " ".join(str(part) for part in fact)
    return str(fact)


def _moment(fact: Any) -> str:
    """A time, told as seconds since 1970 or as ISO 8601."""
    try:
        return local_text(fact if isinstance(fact, int | float) else datetime.fromisoformat(fact).timestamp())
    except (ValueError, TypeError, OverflowError, OSError):
        return str(fact)


def _said(step: Step) -> list[str]:
    said = step.facts.get("dialogue")
    return [str(line) for line in said] if isinstance(said, list | tuple) else []
