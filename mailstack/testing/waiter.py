"""Waits for matching letters; a failure lists all letters."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, TypedDict

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.letter.delivery import Step
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import parse
from mailstack.sandbox.arguments import parse_address, unexpected_argument
from mailstack.sandbox.dev import DevEnvironment
from mailstack.sandbox.dev.settings import HOME_DOMAIN
from mailstack.testing.letter import Letter
from mailstack.testing.received_log import ReceivedLog

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

MAX_DESCRIBED = 20
"""Maximum number of letters that one failure describes."""
MAX_FOUND = 100_000
"""Maximum number of letters that a query finds."""


class NoSuchLetter(AssertionError):
    """The expected letter did not arrive, or an unexpected one did; str() lists the letters that are there."""

    # A traceback of a test names the module that it is imported from.
    __module__ = "mailstack.testing"


class LetterKeywords(TypedDict, total=False):
    """Keyword arguments that select letters; all given ones must match."""

    to: str | None
    """Exact address of an envelope recipient, or of the target of its alias; a name without @ is in home.test."""
    subject: str | re.Pattern[str] | None
    """Text contained in the subject, case-insensitive, or a pattern searched in it."""
    sender: str | None
    """Address of the envelope sender or of From; "" is the null reverse-path of bounces and other reports."""
    query: str
    """Search in Mailpit's language, such as "has:attachment subject:Invoice"."""
    after: Letter | None
    """Letter that must have been submitted earlier."""


class LetterCriteria(Struct, frozen=True):
    """Parsed LetterKeywords; addresses are `Address.key`."""

    to: str | None = None
    subject: str | re.Pattern[str] | None = None
    sender: str | None = None
    query: str = ""
    after: Letter | None = None

    @classmethod
    def from_keywords(cls, function: str, timeout: str, keywords: LetterKeywords) -> LetterCriteria:
        """Criteria of the keywords of a public function, which also takes the argument `timeout`.

        Raises TypeError for an unexpected keyword, and AddressError, a ValueError, for an invalid address.
        """
        expected = [*LetterKeywords.__annotations__, timeout]
        if text := unexpected_argument(f"{function}()", keywords, expected, "criterion"):
            raise TypeError(text)
        to, sender = keywords.get("to"), keywords.get("sender")
        return cls(
            None if to is None else parse_address(to, HOME_DOMAIN).key,
            keywords.get("subject"),
            parse_address(sender, HOME_DOMAIN).key if sender else sender,
            keywords.get("query", ""),
            keywords.get("after"),
        )

    def __str__(self) -> str:
        parts = []
        if self.to is not None:
            parts.append(f"to {self.to}")
        if isinstance(self.subject, str):
            parts.append(f"with {self.subject!r} in its subject")
        elif self.subject is not None:
            parts.append(f"with a subject that matches /{self.subject.pattern}/")
        if self.sender is not None:
            parts.append(f"from {self.sender or '<> (a report)'}")
        if self.query:
            parts.append(f"matching the query {self.query!r}")
        if self.after is not None:
            parts.append(f"later than {self.after.id}")
        return " ".join(["letter", *parts])

    def matches(self, letter: Letter, received: ReceivedLog, found: Container[str]) -> bool:
        """Whether the letter meets all criteria and has arrived."""
        return not any(self.mismatches(letter, received, found)) and received.has_arrived(LetterId(letter.id), self.to)

    def mismatches(self, letter: Letter, received: ReceivedLog, found: Container[str]) -> Iterator[str]:
        """The criteria that the letter doesn't meet, in words. `found` are the ids that the query finds."""
        if self.to is not None and not received.is_for(LetterId(letter.id), self.to):
            yield f"not to {self.to}"
        if isinstance(self.subject, str) and self.subject.casefold() not in letter.subject.casefold():
            yield f"{self.subject!r} is not in its subject"
        elif isinstance(self.subject, re.Pattern) and not self.subject.search(letter.subject):
            yield "its subject does not match"
        if self.sender is not None and self.sender not in letter.senders:
            yield f"not from {self.sender or '<>'}"
        if self.query and letter.id not in found:
            yield f"{self.query!r} does not find it"
        if self.after is not None and letter.number <= self.after.number:
            yield f"not later than {self.after.id}"


class LetterWaiter:
    """Waits for letters of one environment. All methods run in the reactor's thread."""

    def __init__(self, reactor: Any, environment: DevEnvironment, received: ReceivedLog) -> None:
        self._reactor = reactor
        self._environment = environment
        self._received = received

    def wait(self, criteria: LetterCriteria, count: int, timeout: float, *, blocks: bool) -> Future[list[Letter]]:
        """The first `count` letters that match and have arrived; NoSuchLetter after `timeout` seconds.

        `blocks`: this blocks an event loop of the test; the failure then mentions it.
        """
        received = self._received
        found: Container[str] = ()

        async def find() -> list[Letter] | None:
            nonlocal found
            found = await self._found(criteria)
            matching = [letter for letter in received.letters() if criteria.matches(letter, received, found)]
            return matching[:count] if len(matching) >= count else None

        def on_timeout() -> list[Letter]:
            raise NoSuchLetter(self._failure(criteria, count, timeout, found, blocks=blocks))

        return received.changes.watch(find, self._reactor, timeout, on_timeout)

    def watch_for_none(self, criteria: LetterCriteria, within: float) -> Future[None]:
        """Waits `within` seconds for the absence of a match; raises NoSuchLetter if one is submitted."""
        received = self._received

        async def find() -> None:
            found = await self._found(criteria)
            for letter in received.letters():
                if not any(criteria.mismatches(letter, received, found)):
                    raise NoSuchLetter(f"expected no {criteria}, but found:\n{_describe(letter, received)}")

        return received.changes.watch(find, self._reactor, within, lambda: None)

    def report(self) -> str:
        """The letters and where each is, for the report of a failed test."""
        letters = self._received.letters()
        lines = [_describe(letter, self._received) for letter in letters[-MAX_DESCRIBED:]]
        if len(letters) > MAX_DESCRIBED:
            lines.insert(0, f"({len(letters) - MAX_DESCRIBED} earlier messages)")
        return "\n".join(lines) or f"No message was submitted. {self._ports()}"

    async def _found(self, criteria: LetterCriteria) -> Container[str]:
        """Ids of the letters that the query finds. Raises ValueError for an invalid query."""
        if not criteria.query:
            return ()
        index = self._environment.index
        await index.up_to_date()
        now, zone = self._environment.travel.now, datetime.now().astimezone().tzinfo
        item_filter = ItemFilter(terms=parse(criteria.query, now, zone or UTC))
        return {str(item.id) for item in await index.first(item_filter, MAX_FOUND)}

    def _failure(
        self, criteria: LetterCriteria, count: int, timeout: float, found: Container[str], *, blocks: bool
    ) -> str:
        letters = self._received.letters()
        expected = f"no {criteria}" if count == 1 else f"fewer than {count} messages of: {criteria},"
        lines = [f"{expected} arrived within {timeout:g} s"]
        if letters:
            lines.append("These messages are here:")
            lines += [f"  {_describe(letter, self._received, criteria, found)}" for letter in letters[-MAX_DESCRIBED:]]
        else:
            lines.append(f"No message was submitted. {self._ports()}")
        if blocks:
            lines.append(
                "The event loop was blocked meanwhile, so nothing in it could send: `await` wait_for_letter_async instead."
            )
        return "\n".join(lines)

    def _ports(self) -> str:
        services = self._environment.services
        return (
            f"Does the program send to {services['capture'].host} port {services['capture'].port} (no login, no TLS),"
            f" {services['submission'].port} (login, STARTTLS) or {services['submissions'].port} (login, TLS)?"
        )


def _describe(
    letter: Letter, received: ReceivedLog, criteria: LetterCriteria | None = None, found: Container[str] = ()
) -> str:
    """One letter, and the criteria that it doesn't meet, or else where it is."""
    recipients = ", ".join(letter.recipients[:3]) + (" …" if len(letter.recipients) > 3 else "")
    lines = [f"{letter.id} from {letter.sender or '<>'} to {recipients}: {letter.subject!r}"]
    if criteria is not None and (mismatches := list(criteria.mismatches(letter, received, found))):
        lines[0] += f" ({'; '.join(mismatches)})"
    else:
        lines += [f"    {_describe_step(step)}" for step in received.last_steps(LetterId(letter.id))]
    return "\n".join(lines)


def _describe_step(step: Step) -> str:
    facts = step.facts
    words = " ".join(str(facts[name]) for name in ("status", "reply", "why") if facts.get(name))
    retry = f", next attempt at {facts['next_attempt']}" if facts.get("next_attempt") else ""
    return f"{facts['recipient']}: {step.step} {words}".rstrip() + retry
