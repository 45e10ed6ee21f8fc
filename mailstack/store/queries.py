"""Read-only queries for maildrops, contents and listings, run in reader threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from mailstack.letter import Content, LetterId
from mailstack.letter.delivery import OWED, Delivery, DeliveryState, Step
from mailstack.letter.letter import Octets, Prefixed
from mailstack.store import Damaged, Entry, Filter, Maildrop, Record, rows, sql
from mailstack.store.batch import pieces
from mailstack.store.connection import Connection
from mailstack.store.contents import is_intact

LISTING_SIZE = 5000
"""Maximum entries of one listing query, so that the conversion does not delay the reactor."""

FileOf = Callable[[str, int, str | None], Content]
"""A large content, from its name, size and digest."""


def maildrop(connection: Connection, name: str) -> Maildrop:
    """All entries, in the order of arrival; an unknown mailbox is empty."""
    found = connection.execute(sql.MAILBOX, (name,)).fetchall()
    if not found:
        return Maildrop(name, 0, [])
    mailbox, validity = rows.checked("mailboxes", name, lambda: [rows.number(value) for value in found[0]])
    entries: list[Entry] = []
    last: int | None = 0
    while last is not None:
        listing, last = connection.listing(mailbox, last, LISTING_SIZE)
        if listing is not None:
            part = rows.entries_from(listing, name)
            entries += part
            if len(part) < LISTING_SIZE:
                break
    return Maildrop(name, validity, entries)


def entries(connection: Connection, name: str, after: int, limit: int) -> list[Entry]:
    found = connection.execute(sql.MAILBOX, (name,)).fetchall()
    if not found:
        return []
    mailbox = rows.checked("mailboxes", name, lambda: rows.number(found[0][0]))
    listing, _ = connection.listing(mailbox, after, limit)
    return [] if listing is None else rows.entries_from(listing, name)


def octets_in(connection: Connection, name: str) -> int:
    found = connection.execute(sql.OCTETS_IN, (name,)).fetchall()
    return rows.checked("mailboxes", name, lambda: rows.number(found[0][0])) if found else 0


def mailboxes(connection: Connection) -> dict[str, int]:
    found = connection.execute(sql.MAILBOXES).fetchall()
    return rows.checked("mailboxes", "octets", lambda: {rows.text(name): rows.number(octets) for name, octets in found})


def letter_in(connection: Connection, mailbox: str, uid: int, file: FileOf) -> tuple[bytes, Content]:
    """The trace fields and the content of an entry. Raises KeyError."""
    found = connection.execute(sql.ENTRY, (mailbox, uid)).fetchall()
    if not found:
        raise KeyError(uid)
    return _entry((mailbox, uid), found[0], file)


def letters_in(connection: Connection, mailbox: str, uids: Sequence[int], file: FileOf) -> dict[int, Content]:
    """Entries by uid, each with its trace fields on top; missing and damaged ones are left out."""
    found: dict[int, Content] = {}
    for part in pieces(list(uids), 1):
        found.update((uid, Octets(octets)) for uid, octets in connection.small_letters(mailbox, part).items())
        others = [uid for uid in part if uid not in found]
        if others:
            for uid, *row in connection.execute(sql.entries(len(others)), (mailbox, *others)).fetchall():
                with contextlib.suppress(Damaged):
                    found[uid] = Prefixed(*_entry((mailbox, uid), row, file))
    return found


def _entry(name: tuple[str, int], row: Sequence[Any], file: FileOf) -> tuple[bytes, Content]:
    headers, size, letter, *where = row
    if not isinstance(headers, bytes) or not isinstance(size, int):
        raise Damaged(f"table entries, {name!r}: headers and size have the wrong types")
    return headers, _content(letter, size - len(headers), where, file)


def content_of(connection: Connection, letter: LetterId, file: FileOf) -> Content:
    """A letter's content as accepted. Raises KeyError when it was deleted as unneeded."""
    found = connection.execute(sql.CONTENT_OF, (letter,)).fetchall()
    if not found:
        raise KeyError(letter)
    size, *where = found[0]
    if not isinstance(size, int):
        raise Damaged(f"table letters, {letter!r}: the size is no number")
    return _content(letter, size, where, file)


def known_files(connection: Connection, names: Sequence[str]) -> set[str]:
    """Names of large contents in these rows."""
    return {name for (name,) in connection.execute(sql.known_files(len(names)), names)} if names else set()


def _content(letter: str, size: int, where: list[Any], file: FileOf) -> Content:
    name, octets, digest = where
    if digest is not None and not isinstance(digest, str):
        raise Damaged(f"table contents, {letter!r}: the digest is no text")
    if isinstance(name, str):
        return file(name, size, digest)
    if not isinstance(octets, bytes) or len(octets) != size or not is_intact(octets, digest):
        raise Damaged(f"table contents, {letter!r}: not the {size} octets that were accepted")
    return Octets(octets)


def next_due(connection: Connection, server: str) -> float | None:
    found = connection.execute(sql.NEXT_DUE, (server, rows.FAR)).fetchall()
    times = [due for _, due in found if due is not None]
    return rows.checked("deliveries", server, lambda: min(map(float, times))) if times else None


def parked_destinations(connection: Connection, server: str, limit: int) -> list[str]:
    return [rows.text(key) for (key,) in connection.execute(sql.PARKED_DESTINATIONS, (server, server, limit))]


def parked_deliveries(connection: Connection, letter: LetterId) -> dict[int, str]:
    return {rows.number(number): rows.text(key) for number, key in connection.execute(sql.PARKED_DELIVERIES, (letter,))}


def steps(connection: Connection, letter: LetterId) -> list[Step]:
    """Steps in the order in which they happened."""
    found = [rows.numbered_from(row) for row in connection.execute(sql.STEPS, (letter,))]
    for row in connection.execute(sql.COLLECTED, (letter,)):
        found += rows.collected_from(row)
    return [step for _, step in sorted(found, key=lambda each: (each[1].at, each[0]))]


def pending_count(connection: Connection) -> int:
    """Number of letters with pending deliveries."""
    ((count,),) = connection.execute(sql.PENDING_COUNT)
    return int(count)


def recipients_in(
    connection: Connection, states: Collection[DeliveryState], limit: int
) -> list[tuple[LetterId, str, str | None]]:
    """Letter, address and original address of deliveries in these states, of the newest letters first."""
    if not states:
        return []
    statement = sql.recipients_in(len(states), pending=OWED.issuperset(states))
    return [
        (LetterId(rows.text(letter)), rows.text(address), None if original is None else rows.text(original))
        for letter, address, original in connection.execute(statement, (*states, limit)).fetchall()
    ]


def records(connection: Connection, which: Filter, content: Callable[[LetterId, int], Content]) -> list[Record]:
    """Letters that pass the filter, the newest first."""
    if which.ids == () or which.states == frozenset():
        return []
    ids, states = which.ids or (), sorted(which.states or ())
    statement = sql.records(
        ids=len(ids),
        server=which.server is not None,
        sender=which.sender is not None,
        recipient=which.recipient is not None,
        since=which.since is not None,
        until=which.until is not None,
        before=which.before is not None,
        states=len(states),
        pending=OWED.issuperset(states),
    )
    single = (which.server, which.sender, which.recipient, which.recipient, which.since, which.until)
    before = which.before or ()
    parameters = [*ids, *(value for value in single if value is not None), *before, *states, which.limit]
    found = [rows.letter_from(row, content) for row in connection.execute(statement, parameters)]
    deliveries: dict[LetterId, list[Delivery]] = {letter.id: [] for letter in found}
    for part in pieces([letter.id for letter in found], 1):
        for row in connection.execute(sql.deliveries(len(part)), part):
            delivery = rows.delivery_from(row)
            deliveries[delivery.letter].append(delivery)
    return [Record(letter, tuple(deliveries[letter.id])) for letter in found]
