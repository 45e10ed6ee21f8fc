"""Reader of indexed letters for the API, limited to visible data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.letter.address import key_of
from mailstack.letter.content import read_all
from mailstack.letter.parsed import Limits, ParsedLetter, parse
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.store import Record
from mailstack.web.api import serialize
from mailstack.web.api.filters import visible_to
from mailstack.web.api.schemas import LetterDetail, LetterSummary
from mailstack.web.http_messages import HttpError, Request, User
from mailstack.web.letter_reader import LetterReader

T = TypeVar("T")

OCTETS_PER_SUMMARY = 512
"""Octets that take as long to parse as one summary."""
MAX_TEXT = 16 * 1024 * 1024
"""Maximum octets of text, and of HTML, in one response."""


class ApiLetterReader(LetterReader):
    """Letter reader with the access rules of the API."""

    def __init__(self, index: LetterIndex, in_thread: InThread, *, hide_client: bool = False) -> None:
        """`hide_client` shows the client of a submitted letter to its author and to administrators only."""
        super().__init__(index, in_thread)
        self._hide_client = hide_client

    async def item(self, request: Request) -> Item:
        """The letter of {id}, or the newest for "latest". Raises HttpError 404.

        A letter that was accepted a moment ago is waited for: its id may be known before it is read.
        """
        name = request.variables["id"]
        item = None if name == "latest" else await self.index.item(name, visible_to(request))
        if item is None:
            await self.index.up_to_date()
            item = await self._latest(request) if name == "latest" else await self.index.item(name, visible_to(request))
        if item is None:
            raise HttpError(404, f"There is no letter {name[:40]}; GET /v1/letters lists the letters.")
        return item

    async def _latest(self, request: Request) -> Item | None:
        return next(iter((await self.index.find(ItemFilter(seen_by=visible_to(request)), 1)).items), None)

    async def reading_of(self, letter: LetterId) -> ParsedLetter | None:
        """Parsed copy on another server; None if its content is deleted."""
        content = await self.index.content_of(letter)
        if content is None:
            return None
        return await self.read(await read_all(content))

    async def summaries(self, items: Sequence[Item], user: User) -> list[LetterSummary]:
        """Summaries with the current states."""
        return await self.map_summaries(items, user, list)

    async def map_summaries(self, items: Sequence[Item], user: User, make: Callable[[list[LetterSummary]], T]) -> T:
        """Return `make` of the summaries with current states; many letters are handled in a thread."""
        records = await self.index.records(items)

        def tell() -> T:
            return make([serialize.summary(redacted_for(item, user), records) for item in items])

        return await self.do(tell, len(items) * OCTETS_PER_SUMMARY)

    async def letters(self, items: Sequence[Item], user: User, max_text: int | None = None) -> list[LetterDetail]:
        """Return parsed letters, except for deleted content; the total text is limited.

        `max_text`: maximum characters of each letter's text.
        """
        items = [redacted_for(item, user) for item in items]
        records = await self.index.records(items)
        limits = Limits(text=min(Limits().text, MAX_TEXT // max(1, len(items))))
        found: list[LetterDetail] = []
        for item in items:
            try:
                octets = await self.octets(item)
            except HttpError:
                continue
            hides = self._hide_client and bool(item.account) and not is_own(item, user)
            make = partial(_letter, item, records, octets, limits, hide_client=hides, max_text=max_text)
            found.append(await self.do(make, len(octets)))
        return found


def _letter(
    item: Item,
    records: Mapping[LetterId, Record],
    octets: bytes,
    limits: Limits,
    *,
    hide_client: bool,
    max_text: int | None,
) -> LetterDetail:
    return serialize.letter(item, records, parse(octets, limits), hide_client=hide_client, max_text=max_text)


def is_own(item: Item, user: User) -> bool:
    """Whether the user is the author or an administrator."""
    return user.is_admin or user.account == item.account


def redacted_for(item: Item, user: User) -> Item:
    """Return the letter without other recipients of blind copies, unless the user is its author (RFC 5321 §7.2)."""
    if is_own(item, user):
        return item
    public = {key_of(one.address) for one in (*item.to, *item.cc)}
    own = {user.account}

    def is_told(address: str) -> bool:
        key = key_of(address)
        local, _, domain = key.rpartition("@")
        return key in public or key in own or f"{local.partition('+')[0]}@{domain}" in own

    return replace(
        item,
        recipients=tuple([address for address in item.recipients if is_told(address)]),
        bcc=tuple([one for one in item.bcc if is_told(one.address)]),
    )
