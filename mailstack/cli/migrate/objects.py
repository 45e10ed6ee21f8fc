"""Object store behind the source or target of a copy; all calls block."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b, sha256

from msgspec import Struct

from mailstack.store import Damaged, StoreError
from mailstack.store.contents import OBJECT
from mailstack.store.objects.bucket import Bucket, Place, trouble
from mailstack.store.objects.contents import Reading, digits_of, is_name

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
                yield f"the content of letter {each.letter}: {fault}"

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
