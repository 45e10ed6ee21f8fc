"""Extracts index entries: fields, tags and originals of relayed copies."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct

from mailstack.letter import Letter, LetterId
from mailstack.letter.address import key_of
from mailstack.letter.address_lists import Correspondent
from mailstack.letter.delivery import DeliveryState
from mailstack.letter.header import fields, split
from mailstack.letter.parsed import ParsedLetter, parse
from mailstack.mailbox.index.items import Item, NewItem
from mailstack.store import Filter, Record, Store

MAX_TAGS = 20
"""Maximum tags that a letter brings with it."""
MAX_TAG = 100
"""Maximum characters of a tag."""


def tag_of(text: str) -> str:
    """Tag in its stored form; "" for text that can't be a tag."""
    tag = " ".join(text.split())
    return tag if len(tag) <= MAX_TAG and tag.isprintable() and "," not in tag else ""


def tags_of(letter: Letter, reading: ParsedLetter) -> tuple[str, ...]:
    """Tags of a new letter, each once in any case; takes time in proportion to its header."""
    found = reading.first("X-Tags").split(",")
    recipients = (str(each.address) for each in letter.envelope.recipients)
    for address in (*(to.address for to in reading.to), *recipients):
        found += address.rpartition("@")[0].split("+")[1:]
    tags: dict[str, str] = {}
    for each in found:
        if tag := tag_of(each):
            tags.setdefault(tag.casefold(), tag)
    return tuple(tags.values())[:MAX_TAGS]


MOST_SEARCHED = 65_536
"""Characters of a letter's text that are searched."""
LONGEST_SHOWN = 1000
"""Characters of a subject, a name or an address, as lists show it."""
MOST_SHOWN = 100
"""Correspondents of a kind, as lists show them."""


class ArchivedLetter(Struct, frozen=True):
    """A letter of the archive that is to be read."""

    number: int
    record: Record
    octets: bytes
    mailboxes: tuple[str, ...]


def extract(arriving: ArchivedLetter) -> NewItem:
    """Takes time in proportion to the letter's size; a thread may do it."""
    letter = arriving.record.letter
    reading = parse(arriving.octets)
    named = (*reading.to, *reading.cc, *reading.bcc)
    recipients = tuple(str(each.address) for each in letter.envelope.recipients)
    known = {key_of(one.address) for one in named}
    blind = tuple(Correspondent("", address) for address in recipients if key_of(address) not in known)
    sender = letter.envelope.sender
    item = Item(
        number=arriving.number,
        id=letter.id,
        arrived=letter.arrival.at,
        size=letter.content.size,
        subject=reading.subject[:LONGEST_SHOWN],
        author=next(iter(_shown(reading.authors)), None),
        to=_shown(reading.to),
        cc=_shown(reading.cc),
        bcc=_shown((*reading.bcc, *blind)),
        reply_to=_shown(reading.reply_to),
        message_id=reading.message_id[:LONGEST_SHOWN],
        sender="" if sender is None else str(sender),
        recipients=recipients,
        account=letter.arrival.account or "",
        snippet=reading.snippet,
        attachments=len(reading.attachments),
        inline=len(reading.inline),
        tags=tags_of(letter, reading),
        mailboxes=arriving.mailboxes,
    )
    return NewItem(item, tuple(_addresses(item, reading)), reading.readable[:MOST_SEARCHED])


def _shown(people: Sequence[Correspondent]) -> tuple[Correspondent, ...]:
    return tuple(Correspondent(one.name[:LONGEST_SHOWN], one.address[:LONGEST_SHOWN]) for one in people[:MOST_SHOWN])


def _addresses(item: Item, reading: ParsedLetter) -> Iterator[tuple[str, str]]:
    """Each with its domain beside it, so that both are found."""
    fields: tuple[tuple[str, Iterable[str]], ...] = (
        ("from", [one.address for one in reading.authors]),
        ("to", [one.address for one in reading.to]),
        ("cc", [one.address for one in reading.cc]),
        ("bcc", [one.address for one in item.bcc]),
        ("reply-to", [one.address for one in reading.reply_to]),
        ("recipient", item.recipients),
        ("sender", [item.sender]),
    )
    for field, addresses in fields:
        for address in addresses:
            key = key_of(address)
            if "@" in key:
                yield field, key
                yield field, "@" + key.rpartition("@")[2]


_ID = re.compile(rb"\sid ([0-9a-z]{15})\b", re.IGNORECASE)
_MAX_HOPS = 10
_MAX_HEADER = 65_536


async def source_of(store: Store, outlets: Collection[str], record: Record, octets: bytes) -> LetterId | None:
    """Return the id of the letter that this one is a copy of, if any. Raises StoreError.

    A client can forge `Received`. So the source must have been on its way to one of the recipients, from the host that
    called. What `outlets`, servers by name, are given is always a copy.
    """
    letter = record.letter
    if letter.arrival.server in outlets:
        return next((each for each in traced(octets) if each != letter.id), LetterId(""))
    if letter.arrival.account is not None or letter.arrival.remote is None:
        return None
    ids = tuple(each for each in traced(octets) if each != letter.id)
    if not ids:
        return None
    for source in await store.records(Filter(ids=ids, limit=len(ids))):
        if source.letter.arrival.server == letter.arrival.helo and _went(source, record):
            return source.letter.id
    return None


def traced(octets: bytes) -> list[LetterId]:
    """Return the ids in the Received fields, the newest first."""
    header = octets[:_MAX_HEADER]
    found = [_ID.search(field) for name, field in fields(header[: split(header)]) if name == b"received"]
    return [LetterId(each[1].decode("ascii").lower()) for each in found if each is not None][:_MAX_HOPS]


def _went(source: Record, copy: Record) -> bool:
    """Return whether a letter was relayed, or is just being relayed, to a recipient of its copy."""
    recipients = {recipient.address.key for recipient in copy.letter.envelope.recipients}
    return source.letter.envelope.sender == copy.letter.envelope.sender and any(
        delivery.recipient.address.key in recipients
        and (delivery.state is DeliveryState.RELAYED or delivery.claimed_by is not None)
        for delivery in source.deliveries
    )
