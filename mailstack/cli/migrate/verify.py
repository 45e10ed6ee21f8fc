"""Verification of one store, and access to its object store; all calls block."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b, sha256
from itertools import islice

from msgspec import Struct

from mailstack.cli.migrate import OnProgress, Progress, StoreEndpoint
from mailstack.cli.migrate.dump import CONTENTS, EVERY, content_of, damaged_content, where
from mailstack.letter.letter import Octets
from mailstack.store import Damaged, StoreError, rows
from mailstack.store.contents import OBJECT
from mailstack.store.objects.bucket import Bucket, Place, trouble
from mailstack.store.objects.contents import Reading, digits_of, is_name
from mailstack.store.schema import Row, Table, tables

THREADS = 8
"""Number of concurrent requests to the object store."""


class Expected(Struct, frozen=True):
    """Object as a row names it."""

    letter: str
    name: str
    size: int | None
    """Size of the letter in octets; None if the letter was pruned."""


class Objects:
    """Objects of one bucket. All calls raise StoreError."""

    def __init__(self, place: Place) -> None:
        self._bucket = Bucket(place, THREADS)
        self._threads = ThreadPoolExecutor(THREADS, "mailstack-object")

    def close(self) -> None:
        self._threads.shutdown()
        self._bucket.close()

    def octets(self, name: str, size: int | None = None) -> Iterator[bytes]:
        """Yield an object. Raises Damaged when it is missing, has not `size` octets, or is not what was accepted."""
        if not is_name(name):
            raise Damaged(f"{name!r:.80} names no object")
        with _store_errors():
            reading = Reading(self._bucket, name, self._size(name) if size is None else size)
            with contextlib.closing(reading):
                while octets := reading.next():
                    yield octets

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        """Store an object and return its name, which is the same in each copy. Exceptions of `octets` pass through."""
        digest, size = sha256(), 0
        with tempfile.TemporaryFile() as file, _store_errors():
            for part in octets:
                digest.update(part)
                size += len(part)
                file.write(part)
            here = _name(name, digest.hexdigest())
            self._bucket.put(digits_of(here), file, size)
        return here

    def name_of_damaged(self, name: str) -> str:
        """Return the name of a missing object: the digest of a damaged content is unknown."""
        return _name(name, "0" * 64)

    def faults(self, expected: Sequence[Expected], *, read: bool) -> Iterator[str]:
        """Yield a line for each fault; `read` compares all octets, and not only the size."""
        for each, fault in zip(expected, self._threads.map(partial(self._fault, read=read), expected), strict=True):
            if fault:
                yield f"the content of message {each.letter}: {fault}"

    def _fault(self, expected: Expected, *, read: bool) -> str:
        """Return the fault, or an empty text. Raises StoreError when the object store does not answer."""
        try:
            if not is_name(expected.name):
                return f"{expected.name!r:.80} names no object"
            with _store_errors():
                size = self._size(expected.name)
            if expected.size not in {None, size}:
                return f"the object {digits_of(expected.name)} has {size} octets, and {expected.size} were accepted"
            for _ in self.octets(expected.name, size) if read else ():
                pass
        except Damaged as damage:
            return str(damage)
        return ""

    def _size(self, name: str) -> int:
        return self._bucket.size(digits_of(name))


def _name(name: str, digest: str) -> str:
    return f"{OBJECT}{blake2b(name.encode(), digest_size=16).hexdigest()}.{digest}"


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """Raises errors of the object store and the disk as StoreError."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        found = trouble(error)
        if not isinstance(found, StoreError):
            raise
        raise found from error


# ruff: noqa: S608  # statements hold only constants


_READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Row], object]]] = {
    "letters": (rows.LETTER, lambda row: rows.letter_from(row, lambda _letter, _size: Octets(b""))),
    "deliveries": ((*rows.DELIVERY, "collected"), lambda row: _delivery(row[:-1], row[-1])),
    "steps": (rows.STEP, rows.step_from),
    "outbox": (rows.OUTBOX, rows.outbox_entry_from),
}
"""Columns and parser of the tables with structured values."""

_NO_CONTENT = "NOT EXISTS (SELECT 1 FROM contents AS c WHERE c.letter = t.letter)"
_RELATIONS = {
    "waits for delivery, and its content is missing": f"""SELECT DISTINCT t.letter FROM deliveries AS t
        WHERE t.waits_until IS NOT NULL AND {_NO_CONTENT} ORDER BY t.letter""",
    "is in a mailbox, and its content is missing": f"""SELECT DISTINCT t.letter FROM entries AS t
        WHERE {_NO_CONTENT} ORDER BY t.letter""",
    "has a content of another size than at acceptance": """SELECT t.letter FROM contents AS t JOIN letters AS l ON l.id = t.letter
        WHERE t.octets IS NOT NULL AND length(t.octets) <> l.size ORDER BY t.letter""",
    "has another size in a mailbox": """SELECT t.letter FROM entries AS t JOIN letters AS l ON l.id = t.letter
        WHERE length(t.headers) + l.size <> t.size ORDER BY t.letter""",
}
"""SELECT of the letters with a fault, by the text of the fault."""
_MISCOUNTED = """SELECT m.name FROM mailboxes AS m
    WHERE m.messages <> (SELECT COUNT(*) FROM entries AS e WHERE e.mailbox = m.id)
    OR m.unseen <> (SELECT COUNT(*) FROM entries AS e WHERE e.mailbox = m.id AND e.flags & 1 = 0)
    OR m.deleted <> (SELECT COUNT(*) FROM entries AS e WHERE e.mailbox = m.id AND e.flags & 8 <> 0)
    OR m.octets <> (SELECT COALESCE(SUM(e.size), 0) FROM entries AS e WHERE e.mailbox = m.id) ORDER BY m.name"""
_UIDS_AHEAD = """SELECT m.name FROM mailboxes AS m WHERE EXISTS (SELECT 1 FROM entries AS e
    WHERE e.mailbox = m.id AND (e.uid >= m.next_uid OR e.modseq > m.modseq)) ORDER BY m.name"""
_NO_MAILBOX = """SELECT f.account || ': ' || f.path FROM folders AS f WHERE f.mailbox <> ''
    AND NOT EXISTS (SELECT 1 FROM mailboxes AS m WHERE m.name = f.mailbox) ORDER BY f.account, f.path"""
_MAILBOX_FAULTS = {
    "mailbox {}: its counters differ from its messages": _MISCOUNTED,
    "mailbox {}: a message has a UID or a mod-sequence that was not given yet": _UIDS_AHEAD,
    "folder {}: it has no mailbox": _NO_MAILBOX,
}
"""SELECT of the mailboxes with a fault, by the text of the fault."""
_NAMED = f"""SELECT t.letter || ' ' || COALESCE(CAST(l.size AS VARCHAR(20)), '') || ' ' || t.file FROM contents AS t
    LEFT JOIN letters AS l ON l.id = t.letter WHERE t.file IS NOT NULL AND t.file LIKE '{OBJECT}%' ORDER BY t.letter"""
OBJECTS_AT_ONCE = 100
"""Number of objects per batch of requests."""


def faults(
    store: StoreEndpoint, on_progress: OnProgress, objects: Objects | None = None, *, read_objects: bool = False
) -> Iterator[str]:
    """Yield a line for each fault. `objects`: object store of the contents that are named only; None skips these.

    Each object must exist and have the size of its letter; with `read_objects` all are read to their end.
    """
    yield from store.integrity()
    for table in tables():
        try:
            yield from _faults_of_table(store, table, on_progress)
        except StoreError as error:
            yield f"table {table.name} can't be read to its end: {error}"
    for fault, statement in _RELATIONS.items():
        try:
            for letter in store.letters(statement):
                yield f"message {letter}{where(store, letter)} {fault}"
        except StoreError as error:
            yield f"the check for a message that {fault} failed: {error}"
    for fault, statement in _MAILBOX_FAULTS.items():
        try:
            yield from (fault.format(name) for name in store.letters(statement))
        except StoreError as error:
            yield f"{fault.format('*')}: the check failed: {error}"
    if objects is not None:
        yield from _faults_of_objects(store, objects, on_progress, read=read_objects)


def _faults_of_table(store: StoreEndpoint, table: Table, on_progress: OnProgress) -> Iterator[str]:
    """Yields a line for each invalid row. Raises StoreError if the table can't be read to its end."""
    total = store.count(table)
    read = _reader(store, table)
    for count, row in enumerate(store.rows(table), 1):
        try:
            read(table.checked(row))
        except StoreError as error:
            yield str(error)
        if count % EVERY == 0 or count == total:
            on_progress(Progress("read", table.name, count, total))


def named_objects(store: StoreEndpoint) -> Iterator[Expected]:
    """Yield the objects that rows name, in the order of the letters, including those of pruned letters."""
    for line in store.letters(_NAMED):
        letter, size, name = line.split(" ", 2)
        yield Expected(letter, name, int(size) if size else None)


def _faults_of_objects(store: StoreEndpoint, objects: Objects, on_progress: OnProgress, *, read: bool) -> Iterator[str]:
    total = sum(1 for _ in named_objects(store))
    named, done = named_objects(store), 0
    while part := list(islice(named, OBJECTS_AT_ONCE)):
        yield from objects.faults(part, read=read)
        done += len(part)
        on_progress(Progress("read" if read else "asked for", "objects", done, total))


def _reader(store: StoreEndpoint, table: Table) -> Callable[[Row], object]:
    if table.name == CONTENTS:
        return lambda row: _read_content(store, row)
    if table.name not in _READERS:
        return lambda _row: None
    columns, read = _READERS[table.name]
    places = [table.columns.index(name) for name in columns]
    return lambda row: read(tuple(row[place] for place in places))


def _delivery(row: Row, collected: object) -> None:
    rows.delivery_from(row)
    rows.collected_from((row[0], row[1], collected))


def _read_content(store: StoreEndpoint, row: Row) -> None:
    try:
        content = content_of(store, row)
        if content is not None:
            content.read()
    except StoreError as error:
        raise type(error)(damaged_content(store, row[0], error)) from error
