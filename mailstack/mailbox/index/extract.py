"""Extracts the index entry of a letter from its octets and its record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from mailstack.letter.address import key_of
from mailstack.letter.address_lists import Correspondent
from mailstack.letter.parsed import ParsedLetter, parse
from mailstack.mailbox.index.items import Item, NewItem
from mailstack.mailbox.index.tags import tags_of
from mailstack.store import Record

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
