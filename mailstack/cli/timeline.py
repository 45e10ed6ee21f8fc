"""One journey as lines for people: when, where, what, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mailstack.cli.follow import Journey
from mailstack.cli.printing import clean, size_text
from mailstack.cli.records import recipient_texts, sender_text
from mailstack.cli.when import clock_text, local_text
from mailstack.journey import Step

PHRASES = {
    "recipient": "{}",
    "sender": "from {}",
    "recipients": "to {}",
    "by": "by {}",
    "client": "client {}",
    "protocol": "{}",
    "tls": "{}",
    "via": "via {}",
    "candidates": "to {}",
    "mailbox": "into {}",
    "host": "at {}",
    "status": "{}",
    "reply": '"{}"',
    "why": "because {}",
    "remote_id": "there as {}",
    "report": "report {}",
    "next_attempt": "again at {}",
}
"""The facts that are told, in this order, and how; others follow as `name=value`."""

LONG = ("dialogue", "size", "attempt", "number")
"""Facts that are told elsewhere, or say nothing to a person."""

TROUBLE = frozenset({"deferred", "bounced"})
"""Steps for which the dialogue is what one wants to read."""


def headline(told: Journey) -> str:
    """Which letter this is."""
    letter = told.source.letter
    sender = sender_text(letter.envelope) or "<>"
    return clean(
        f"Letter {letter.id} from {sender} to {', '.join(recipient_texts(told.source))},"
        f" {size_text(letter.content.size)}, {local_text(letter.arrival.at)}"
    )


def step_lines(step: Step, *, dialogue: bool = False) -> list[str]:
    """A step's line, and below it what was said: in trouble always, else if `dialogue` asks for it."""
    lines = [f"{clock_text(step.at)}  {clean(step.office):<20}  {step.step:<9}  {clean(facts_text(step))}".rstrip()]
    if dialogue or step.step in TROUBLE:
        lines += [f"{'':14}{clean(line)}" for line in _said(step)]
    return lines


def facts_text(step: Step) -> str:
    """What explains the step, in words."""
    told = [PHRASES[name].format(_fact_text(name, step.facts[name])) for name in PHRASES if _tells(step, name)]
    told += [
        f"{name}={_fact_text(name, step.facts[name])}"
        for name in step.facts
        if name not in PHRASES and name not in LONG and _tells(step, name)
    ]
    return ", ".join(told)


def _tells(step: Step, name: str) -> bool:
    return step.facts.get(name) not in (None, "", [], {}, False)


def _fact_text(name: str, fact: Any) -> str:
    if name == "next_attempt":
        return _moment(fact)
    if isinstance(fact, list | tuple):
        return " ".join(str(part) for part in fact)
    if isinstance(fact, dict):
        return " ".join(str(part) for part in fact.values() if part not in (None, "", False))
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
