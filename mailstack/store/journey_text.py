"""Journey text: one line for each step, with its time, server and reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from mailstack.letter.display_text import clean, clock_text, local_text, size_text
from mailstack.letter.step import Step
from mailstack.letter.time_parameters import NORMAL, PRIORITY
from mailstack.store.journey import Journey, recipient_texts, sender_text

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
"""The facts that are told in words, in this order; others follow as `name=value`."""

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
        f"Letter {letter.id} from {sender} to {names_text(recipient_texts(told.source))},"
        f" {size_text(letter.content.size)}, {local_text(letter.arrival.at)}"
    )


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
    """What explains the step, in words."""
    facts = {name: fact for name, fact in step.facts.items() if _tells(step, name)}
    if "original" in facts:
        kind = str(facts.pop("report", ""))
        facts["original"] = f"{facts['original']} {REPORTED.get(kind, kind)}".rstrip()
    told = [PHRASES[name].format(_fact_text(name, facts[name])) for name in PHRASES if name in facts]
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
    """A time, told as seconds since 1970 or as ISO 8601."""
    try:
        return local_text(fact if isinstance(fact, int | float) else datetime.fromisoformat(fact).timestamp())
    except (ValueError, TypeError, OverflowError, OSError):
        return str(fact)


def _said(step: Step) -> list[str]:
    said = step.facts.get("dialogue")
    return [str(line) for line in said] if isinstance(said, list | tuple) else []
