"""Large contents in an object store, for who moves or verifies the office that names them; blocking."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b, sha256

from msgspec import Struct

from mailstack.moving import Progress, Side, Target
from mailstack.store import Damaged, StoreError
from mailstack.store.contents import OBJECT
from mailstack.store.objects.bucket import Bucket, Place, trouble
from mailstack.store.objects.contents import Reading, digits_of, is_name
from mailstack.store.tables import Key, Row, Table

THREADS = 8
"""Questions to the object store under way."""


class Expected(Struct, frozen=True):
    """An object as a row names it."""

    letter: str
    name: str
    size: int | None
    """Octets; None where nothing says how many."""


class Objects:
    """Those of one bucket. All calls raise StoreError."""

    def __init__(self, place: Place) -> None:
        self._bucket = Bucket(place, THREADS)
        self._threads = ThreadPoolExecutor(THREADS, "mailstack-object")

    def close(self) -> None:
        self._threads.shutdown()
        self._bucket.close()

    def octets(self, name: str, size: int | None = None) -> Iterator[bytes]:
        """Raises Damaged when it is gone, is not `size` octets long, or not what was accepted."""
        if not is_name(name):
            raise Damaged(f"{name!r:.80} names no object")
        with _told():
            reading = Reading(self._bucket, name, self._size(name) if size is None else size)
            with contextlib.closing(reading):
                while octets := reading.next():
                    yield octets

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        """Under a name that is the same each time, so that nothing is kept twice. What `octets` raises goes through."""
        digest, size = sha256(), 0
        with tempfile.TemporaryFile() as file, _told():
            for part in octets:
                digest.update(part)
                size += len(part)
                file.write(part)
            here = f"{OBJECT}{blake2b(name.encode(), digest_size=16).hexdigest()}.{digest.hexdigest()}"
            self._bucket.put(digits_of(here), file, size)
        return here

    def faults(self, expected: Sequence[Expected], *, read: bool) -> Iterator[str]:
        """What is wrong with these; `read`: with any octet of them, and not only with their size."""
        for each, fault in zip(expected, self._threads.map(partial(self._fault, read=read), expected), strict=True):
            if fault:
                yield f"the content of letter {each.letter}: {fault}"

    def _fault(self, expected: Expected, *, read: bool) -> str:
        """Empty: none. Raises StoreError when the object store can't say."""
        try:
            if not is_name(expected.name):
                return f"{expected.name!r:.80} names no object"
            with _told():
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


class WithObjects:
    """A side that knows the objects which its rows name as well."""

    def __init__(self, side: Side, objects: Objects) -> None:
        self._side = side
        self._objects = objects
        self.name = side.name

    def close(self) -> None:
        self._side.close()

    def count(self, table: Table) -> int:
        return self._side.count(table)

    def rows(self, table: Table, after: Key = ()) -> Iterator[Row]:
        return self._side.rows(table, after)

    def letters(self, statement: str) -> Iterator[str]:
        return self._side.letters(statement)

    def places(self, letter: str) -> list[str]:
        return self._side.places(letter)

    def integrity(self) -> Iterator[str]:
        return self._side.integrity()

    def octets(self, name: str) -> Iterator[bytes] | None:
        return self._objects.octets(name) if name.startswith(OBJECT) else self._side.octets(name)


class IntoObjects(WithObjects):
    """A target whose large contents become objects."""

    def __init__(self, target: Target, objects: Objects) -> None:
        super().__init__(target, objects)
        self._target = target

    def begin(self, source: str) -> Progress:
        return self._target.begin(source)

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        return self._objects.keep(name, octets)

    def name_of(self, name: str) -> str:
        """A name of an object that is not there: nobody knows what it had to come to."""
        return f"{OBJECT}{blake2b(name.encode(), digest_size=16).hexdigest()}.{'0' * 64}"

    def write(self, table: Table, rows: Sequence[Row], progress: Progress) -> None:
        self._target.write(table, rows, progress)

    def finish(self) -> None:
        self._target.finish()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the object store and the disk say, as StoreError."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        found = trouble(error)
        if not isinstance(found, StoreError):
            raise
        raise found from error
