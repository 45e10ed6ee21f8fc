"""Values of the index: letters in lists, their extraction, filters, results of changes."""

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
from mailstack.mailbox.index.query import Term
from mailstack.store import Filter, Record, Store


class Item(Struct, frozen=True):
    """Letter in lists."""

    number: int
    """Number in order of indexing; never reused."""
    id: LetterId
    arrived: float
    """UTC, as seconds since 1970."""
    size: int
    """Octets."""
    subject: str
    author: Correspondent | None
    to: tuple[Correspondent, ...]
    cc: tuple[Correspondent, ...]
    bcc: tuple[Correspondent, ...]
    reply_to: tuple[Correspondent, ...]
    message_id: str
    sender: str
    """The reverse-path; "" is the null one."""
    recipients: tuple[str, ...]
    """The forward-paths, as sent."""
    account: str
    """Account that submitted it, an `Address.key`; "" for a letter of another host, or of the server itself."""
    snippet: str
    attachments: int
    inline: int
    unread: bool = True
    flagged: bool = False
    tags: tuple[str, ...] = ()
    copies: tuple[LetterId, ...] = ()
    """Ids of its copies in other servers of this store."""
    mailboxes: tuple[str, ...] = ()
    """Mailboxes of its recipients."""


class NewItem(Struct, frozen=True):
    """New letter, with its search terms."""

    item: Item
    addresses: tuple[tuple[str, str], ...]
    """Fields ("from", "to" …, "recipient", "sender") with an `Address.key` each."""
    words: str
    """Beginning of its text, for searches."""


class Copy(Struct, frozen=True):
    """Copy of a letter that was relayed within this store."""

    id: LetterId
    of: LetterId
    mailboxes: tuple[str, ...]


class ItemFilter(Struct, frozen=True):
    """Filter of letters; all criteria that are set must match."""

    ids: tuple[str, ...] | None = None
    """Ids of letters, or of their copies."""
    without: tuple[str, ...] = ()
    """Ids of excluded letters."""
    numbers: tuple[int, ...] | None = None
    terms: tuple[Term, ...] = ()
    mailbox: str | None = None
    """`Address.key` of a mailbox that has them."""
    seen_by: str | None = None
    """`Address.key` of an account that may see them, as recipient or sender."""
    addressed: str | None = None
    """`Address.key` of a recipient in the envelope, To or Cc."""
    written_by: str | None = None
    """`Address.key` of From or the reverse-path."""
    after: int | None = None
    """Number below all letters."""
    before: int | None = None
    """Number above all letters."""


class ItemList(Struct, frozen=True):
    """Part of a list of letters, the newest first, and the total counts."""

    items: tuple[Item, ...]
    total: int
    unread: int
    is_exact: bool = True
    """Whether `total` is exact; a search counts at most MAX_COUNTED letters, unless an exact count is requested."""


MAX_LISTED = 1000
MAX_COUNTED = 10_000
"""Maximum number of letters that a search counts without a request for an exact count."""


class DeletedItems(Struct, frozen=True):
    """Deleted letters, and the token of the undo."""

    count: int
    token: str
    ids: tuple[LetterId, ...]
    """Ids of the first letters, at most MAX_LISTED."""
    only_for: str = ""
    """Account that no longer sees them; "" for all accounts."""


class ChangedItems(Struct, frozen=True):
    """Letters that were marked, tagged or restored."""

    count: int
    items: tuple[Item, ...]
    """First letters, at most MAX_LISTED."""
    ids: tuple[LetterId, ...] = ()
    """Ids of these letters."""


class LetterFolder(Struct, frozen=True):
    """Folder that has a letter."""

    mailbox: str
    """`Address.key` of its account."""
    folder: str
    """Name, with "/" between its levels."""


class MailboxCount(Struct, frozen=True):
    """Number of letters of one mailbox."""

    mailbox: str
    total: int
    unread: int


MAX_TAGS = 20
"""Maximum tags of a new letter."""
MAX_TAG = 100
"""Maximum characters of a tag."""


def tag_of(text: str) -> str:
    """Tag in its stored form; "" for text that can't be a tag."""
    tag = " ".join(text.split())
    return tag if len(tag) <= MAX_TAG and tag.isprintable() and "," not in tag else ""


def tags_of(letter: Letter, parsed: ParsedLetter) -> tuple[str, ...]:
    """Tags of a new letter, unique without regard to case, in time proportional to its header."""
    found = parsed.first("X-Tags").split(",")
    recipients = (str(each.address) for each in letter.envelope.recipients)
    for address in (*(to.address for to in parsed.to), *recipients):
        found += address.rpartition("@")[0].split("+")[1:]
    tags: dict[str, str] = {}
    for each in found:
        if tag := tag_of(each):
            tags.setdefault(tag.casefold(), tag)
    return tuple(tags.values())[:MAX_TAGS]


MAX_SEARCHED_TEXT = 65_536
"""Maximum indexed characters of a letter's text."""
MAX_SHOWN_TEXT = 1000
"""Maximum characters of a subject, a name or an address in lists."""
MAX_SHOWN_PEOPLE = 100
"""Maximum correspondents of one field in lists."""


class ArchivedLetter(Struct, frozen=True):
    """Letter of the archive that is to be indexed."""

    number: int
    record: Record
    octets: bytes
    mailboxes: tuple[str, ...]


def extract(archived: ArchivedLetter) -> NewItem:
    """The index entry of a letter. The time is proportional to its size, so it runs in a thread."""
    letter = archived.record.letter
    parsed = parse(archived.octets)
    named = (*parsed.to, *parsed.cc, *parsed.bcc)
    recipients = tuple(str(each.address) for each in letter.envelope.recipients)
    keys = {key_of(one.address) for one in named}
    blind = tuple(Correspondent("", address) for address in recipients if key_of(address) not in keys)
    sender = letter.envelope.sender
    item = Item(
        number=archived.number,
        id=letter.id,
        arrived=letter.arrival.at,
        size=letter.content.size,
        subject=parsed.subject[:MAX_SHOWN_TEXT],
        author=next(iter(_displayed(parsed.authors)), None),
        to=_displayed(parsed.to),
        cc=_displayed(parsed.cc),
        bcc=_displayed((*parsed.bcc, *blind)),
        reply_to=_displayed(parsed.reply_to),
        message_id=parsed.message_id[:MAX_SHOWN_TEXT],
        sender="" if sender is None else str(sender),
        recipients=recipients,
        account=letter.arrival.account or "",
        snippet=parsed.snippet,
        attachments=len(parsed.attachments),
        inline=len(parsed.inline),
        tags=tags_of(letter, parsed),
        mailboxes=archived.mailboxes,
    )
    return NewItem(item, tuple(_addresses(item, parsed)), parsed.readable[:MAX_SEARCHED_TEXT])


def _displayed(people: Sequence[Correspondent]) -> tuple[Correspondent, ...]:
    return tuple(
        Correspondent(one.name[:MAX_SHOWN_TEXT], one.address[:MAX_SHOWN_TEXT]) for one in people[:MAX_SHOWN_PEOPLE]
    )


def _addresses(item: Item, parsed: ParsedLetter) -> Iterator[tuple[str, str]]:
    """Pairs of field and address, and of field and domain, for searches."""
    fields: tuple[tuple[str, Iterable[str]], ...] = (
        ("from", [one.address for one in parsed.authors]),
        ("to", [one.address for one in parsed.to]),
        ("cc", [one.address for one in parsed.cc]),
        ("bcc", [one.address for one in item.bcc]),
        ("reply-to", [one.address for one in parsed.reply_to]),
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
    """The id of the letter that this letter is a copy of, if any. Raises StoreError.

    A client can forge `Received`, so the source must have been relayed to one of the recipients by the calling host. A
    letter to a server in `outlets` is always a copy.
    """
    letter = record.letter
    if letter.arrival.server in outlets:
        return next((each for each in traced(octets) if each != letter.id), LetterId(""))
    if letter.arrival.account is not None or letter.arrival.remote is None:
        return None
    ids = tuple(each for each in traced(octets) if each != letter.id)
    if not ids:
        return None
    for source in await store.history.records(Filter(ids=ids, limit=len(ids))):
        if source.letter.arrival.server == letter.arrival.helo and _went(source, record):
            return source.letter.id
    return None


def traced(octets: bytes) -> list[LetterId]:
    """The ids in the Received fields, the newest first."""
    header = octets[:_MAX_HEADER]
    found = [_ID.search(field) for name, field in fields(header[: split(header)]) if name == b"received"]
    return [LetterId(each[1].decode("ascii").lower()) for each in found if each is not None][:_MAX_HOPS]


def _went(source: Record, copy: Record) -> bool:
    """Whether a letter was relayed, or is just being relayed, to a recipient of its copy."""
    recipients = {recipient.address.key for recipient in copy.letter.envelope.recipients}
    return source.letter.envelope.sender == copy.letter.envelope.sender and any(
        delivery.recipient.address.key in recipients
        and (delivery.state is DeliveryState.RELAYED or delivery.claimed_by is not None)
        for delivery in source.deliveries
    )
