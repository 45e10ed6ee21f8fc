"""Which letter a test waits for, and in words why others are not it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Any, TypedDict

from msgspec import Struct

from mailstack.letter import Address, LetterId
from mailstack.testing.letter import Letter
from mailstack.testing.received_log import ReceivedLog

MOST_TOLD = 20
"""Letters that one failure describes."""


class NoSuchLetter(AssertionError):
    """The expected letter did not arrive, or an unexpected one did; str() lists the letters that are there."""

    # A traceback of a test names the module that it is imported from.
    __module__ = "mailstack.testing"


class Wish(TypedDict, total=False):
    """How a test says which letter it means; what is left out may be anything."""

    to: str | None
    """Exactly this address of the envelope, or one that an alias of it led to."""
    subject: str | re.Pattern[str] | None
    """Text that the subject holds, in upper or lower case, or a pattern that is searched in it."""
    sender: str | None
    """The address of the envelope, or of From; "" is the null reverse-path, which bounces and other reports have."""
    query: str
    """A search in Mailpit's language, as "has:attachment subject:Invoice"; the index of the environment answers it."""
    after: Letter | None
    """Only letters that were handed in after this one."""


class LetterCriteria(Struct, frozen=True):
    """What must hold of a letter, as Wish has it; addresses are `Address.key`."""

    to: str | None = None
    subject: str | re.Pattern[str] | None = None
    sender: str | None = None
    query: str = ""
    after: Letter | None = None

    @classmethod
    def of(
        cls,
        to: str | None = None,
        subject: str | re.Pattern[str] | None = None,
        sender: str | None = None,
        query: str = "",
        after: Letter | None = None,
    ) -> LetterCriteria:
        """As a test writes it. Raises AddressError, a ValueError, for an address that is none."""
        return cls(
            None if to is None else Address.parse(to).key,
            subject,
            Address.parse(sender).key if sender else sender,
            query,
            after,
        )

    def __str__(self) -> str:
        parts = []
        if self.to is not None:
            parts.append(f"to {self.to}")
        if isinstance(self.subject, str):
            parts.append(f"with {self.subject!r} in its subject")
        elif self.subject is not None:
            parts.append(f"with a subject like /{self.subject.pattern}/")
        if self.sender is not None:
            parts.append(f"from {self.sender or '<> (a report)'}")
        if self.query:
            parts.append(f"that {self.query!r} finds")
        if self.after is not None:
            parts.append(f"later than {self.after.id}")
        return " ".join(["letter", *parts])

    def is_met_by(self, letter: Letter, ledger: ReceivedLog, found: Container[str]) -> bool:
        """Whether it is one of these, and has arrived."""
        return not any(self.unfit(letter, ledger, found)) and ledger.has_arrived(LetterId(letter.id), self.to)

    def unfit(self, letter: Letter, ledger: ReceivedLog, found: Container[str]) -> Iterator[str]:
        """Why this letter is not it; nothing when it is, wherever it may be at present.

        `found` are the ids of those that the query finds.
        """
        if self.to is not None and not ledger.is_for(LetterId(letter.id), self.to):
            yield f"not to {self.to}"
        if isinstance(self.subject, str) and self.subject.casefold() not in letter.subject.casefold():
            yield f"{self.subject!r} is not in its subject"
        elif isinstance(self.subject, re.Pattern) and not self.subject.search(letter.subject):
            yield "its subject is not like that"
        if self.sender is not None and self.sender not in letter.senders:
            yield f"not from {self.sender or '<>'}"
        if self.query and letter.id not in found:
            yield f"{self.query!r} does not find it"
        if self.after is not None and letter.number <= self.after.number:
            yield f"not later than {self.after.id}"


def told(letter: Letter, ledger: ReceivedLog, wanted: LetterCriteria | None = None, found: Container[str] = ()) -> str:
    """One letter, where it is, and why it is not the one that is wanted, as a line or more."""
    recipients = ", ".join(letter.recipients[:3]) + (" …" if len(letter.recipients) > 3 else "")
    lines = [f"{letter.id} from {letter.sender or '<>'} to {recipients}: {letter.subject!r}"]
    if wanted is not None and (reasons := list(wanted.unfit(letter, ledger, found))):
        lines[0] += f" ({'; '.join(reasons)})"
    else:
        lines += [f"    {_standing(step)}" for step in ledger.standing(LetterId(letter.id))]
    return "\n".join(lines)


def _standing(step: Any) -> str:
    facts = step.facts
    words = " ".join(str(facts[name]) for name in ("status", "reply", "why") if facts.get(name))
    again = f", again at {facts['next_attempt']}" if facts.get("next_attempt") else ""
    return f"{facts['recipient']}: {step.step} {words}".rstrip() + again
