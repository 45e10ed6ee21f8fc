"""Looks for letters in a server under test until they come, and says what came when they don't."""

from __future__ import annotations

from collections.abc import Container
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import parse
from mailstack.sandbox.dev import DevEnvironment
from mailstack.testing.criteria import MOST_TOLD, LetterCriteria, NoSuchLetter, told
from mailstack.testing.letter import Letter
from mailstack.testing.received_log import ReceivedLog

MOST_FOUND = 100_000
"""Letters that a query may find."""


class LetterWaiter:
    """Of one server; everything here is done in the reactor's thread."""

    def __init__(self, reactor: Any, environment: DevEnvironment, ledger: ReceivedLog) -> None:
        self._reactor = reactor
        self._environment = environment
        self._book = ledger

    def when(self, wanted: LetterCriteria, count: int, timeout: float, *, blocks: bool) -> Future[list[Letter]]:
        """The first so many that fit and have arrived, within so many seconds; NoSuchLetter.

        `blocks`: whether an event loop of the test stands still meanwhile, which the failure then tells.
        """
        book = self._book
        found: Container[str] = ()

        async def find() -> list[Letter] | None:
            nonlocal found
            found = await self._found(wanted)
            fitting = [letter for letter in book.letters() if wanted.is_met_by(letter, book, found)]
            return fitting[:count] if len(fitting) >= count else None

        def late() -> list[Letter]:
            raise NoSuchLetter(self._failure(wanted, count, timeout, found, blocks=blocks))

        return book.watch(find, self._reactor, timeout, late)

    def never(self, wanted: LetterCriteria, within: float) -> Future[None]:
        """None when no such letter is handed in within so many seconds; NoSuchLetter."""
        book = self._book

        async def find() -> None:
            found = await self._found(wanted)
            for letter in book.letters():
                if not any(wanted.unfit(letter, book, found)):
                    raise NoSuchLetter(f"no {wanted} should come, but one did:\n{told(letter, book)}")

        return book.watch(find, self._reactor, within, lambda: None)

    def report(self) -> str:
        """What came, and where it is, for whoever reads of a test that failed."""
        letters = self._book.letters()
        lines = [told(letter, self._book) for letter in letters[-MOST_TOLD:]]
        if len(letters) > MOST_TOLD:
            lines.insert(0, f"({len(letters) - MOST_TOLD} before these)")
        return "\n".join(lines) or f"No letter was handed in. {self._ports()}"

    async def _found(self, wanted: LetterCriteria) -> Container[str]:
        """The ids of the letters that the query finds. Raises ValueError for one that makes no sense."""
        if not wanted.query:
            return ()
        index = self._environment.index
        await index.up_to_date()
        now, zone = self._environment.travel.now, datetime.now().astimezone().tzinfo
        which = ItemFilter(terms=parse(wanted.query, now, zone or UTC))
        return {str(item.id) for item in await index.first(which, MOST_FOUND)}

    def _failure(
        self, wanted: LetterCriteria, count: int, timeout: float, found: Container[str], *, blocks: bool
    ) -> str:
        letters = self._book.letters()
        lines = [
            f"no {wanted} came within {timeout:g} s"
            if count == 1
            else f"no {count} came of: {wanted}, in {timeout:g} s"
        ]
        if letters:
            lines.append("These letters are here:")
            lines += [f"  {told(letter, self._book, wanted, found)}" for letter in letters[-MOST_TOLD:]]
        else:
            lines.append(f"No letter was handed in at all. {self._ports()}")
        if blocks:
            lines.append(
                "The event loop stood still meanwhile, and nothing in it could send: `await` wait_for_letter_async instead."
            )
        return "\n".join(lines)

    def _ports(self) -> str:
        at = self._environment.services
        return (
            f"Does the program send to {at['capture'].host} port {at['capture'].port} (no login, no TLS),"
            f" {at['submission'].port} (login, STARTTLS) or {at['submissions'].port} (login, TLS)?"
        )
