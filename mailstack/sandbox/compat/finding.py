"""What the clients of other tools ask for, found: a letter by its id, letters by a query, a part by its number."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from mailstack.letter.parsed import ParsedLetter, Part
from mailstack.mailbox.index.catalogue import LetterIndex
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.query import BadQuery, parse
from mailstack.web.http_values import HttpError, Request


async def found(catalogue: LetterIndex, letter: str) -> Item:
    """The letter of an id, or the newest for "latest". Raises Trouble 404."""
    await catalogue.up_to_date()
    if letter != "latest":
        item = await catalogue.item(letter)
    else:
        item = next(iter((await catalogue.listed(ItemFilter(), 1)).items), None)
    if item is None:
        raise HttpError(404, "Error: message not found")
    return item


def searched(query: str, now: float, zone: str = "") -> ItemFilter:
    """What a query finds. Raises Trouble 400 for one that says nothing, or can't be read."""
    if not query.strip():
        raise HttpError(400, "Error: no search query")
    try:
        return ItemFilter(terms=parse(query, now, zone_of(zone)))
    except BadQuery as error:
        raise HttpError(400, str(error)) from None


def part_of(reading: ParsedLetter, number: str) -> Part:
    """Raises Trouble 404."""
    part = reading.part(number)
    if part is None or part.is_multipart:
        raise HttpError(404, "Error: there is no such part")
    return part


def zone_of(name: str) -> tzinfo:
    """By its name in the list of time zones; UTC for none. Raises Trouble 400."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, LookupError):
        raise HttpError(400, f"There is no time zone {name[:60]!r}; write one such as Europe/Berlin") from None


def number_of(ask: Request, name: str, default: int) -> int:
    """A parameter of the query; what is no number counts as absent, as it does for Mailpit."""
    text = ask.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else default
