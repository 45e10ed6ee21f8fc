"""Object storage of large contents, verified on reading.

A row's name identifies the object and its digest: `s3/`, 32 random digits, and the SHA-256. An incoming content is
spooled to an unnamed file, for only then its length and digest are known. A crash leaves nothing of that file.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailstack.letter.letter import CHUNK
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.store import Damaged, StoreError
from mailstack.store.contents import AHEAD, AT_ONCE, OBJECT, Kept, Named
from mailstack.store.objects.bucket import Bucket, Place, trouble
from mailstack.store.writer import CallsFromThreads, Workers

T = TypeVar("T")

_NAME = re.compile(r"s3/[0-9a-f]{32}\.[0-9a-f]{64}\Z")
_log = Logger()


class ContentObjects:
    """See `mailstack.store.contents.LargeContents`. `threads` requests are under way at most."""

    def __init__(
        self,
        reactor: CallsFromThreads,
        place: Place,
        spool: Path,
        *,
        threads: int = 8,
        patience: float = 60.0,
        orphan_age: float = 86_400.0,
        writable: bool = True,
        bucket: Bucket | None = None,
    ) -> None:
        """`spool`: directory of incoming contents. `patience`: maximum wait of a request in seconds.

        `orphan_age`: minimum age in seconds of a removed orphan, and the minimum interval of sweeps. It must exceed the
        time from the start of an upload to the acceptance of the letter, on every node.
        """
        self.room = MemoryBudget()
        self.writable = writable
        self._reactor = reactor
        self._bucket = bucket or Bucket(place, threads)
        self._spool = spool
        self._patience = patience
        self._orphan_age = orphan_age
        self._next_sweep = 0.0
        self._threads = Workers(
            reactor, "mailstack-object", threads, start=lambda: None, stop=lambda _: None, trouble=trouble
        )
        # A store that does not answer keeps all threads waiting, but no letter from coming in.
        self._disk = Workers(reactor, "mailstack-spool", 2, start=lambda: None, stop=lambda _: None)

    def owns(self, name: str) -> bool:
        return is_name(name)

    def draft(self) -> ObjectDraft:
        return ObjectDraft(self, self._spool)

    async def chunks(self, name: str, size: int, digest: str | None = None) -> AsyncIterator[bytes]:  # noqa: ARG002  # the name has one
        """The last octets are given only when all of them are as they were: else Damaged is raised in their place."""
        if not self.owns(name):
            raise StoreError(f"table contents: {name!r:.80} is no object of this store")
        reading = Reading(self._bucket, name, size)
        try:
            while octets := await self.ask(reading.next):
                for start in range(0, len(octets), CHUNK):
                    yield octets[start : start + CHUNK]
        finally:
            reading.close()

    async def verify(self, name: str, size: int, digest: str | None = None) -> None:
        """Does nothing: no object is fetched twice."""

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            self._reactor.callFromThread(self._delete, name)

    def _delete(self, name: str) -> None:
        self.ask(partial(self._bucket.delete, digits_of(name))).addErrback(
            lambda failure: _log.warn("{name} stays for the sweep: {why}", name=name, why=failure.getErrorMessage())
        )

    async def sweep(self, age: float, named: Named) -> int:
        """Runs at most once in `orphan_age`, because listing a bucket costs money."""
        now = time.monotonic()
        if now < self._next_sweep:
            return 0
        age = max(age, self._orphan_age)
        count, mark = 0, ""
        while True:
            before = mark
            old, mark = await self.ask(partial(self._bucket.older_than, age, before))
            if mark and mark == before:
                raise StoreError("the object store lists the same page again and again")
            known = [name for name in (f"{OBJECT}{each}" for each in old) if self.owns(name)]
            for start in range(0, len(known), AT_ONCE):
                part = known[start : start + AT_ONCE]
                for name in set(part) - await named(part):
                    await self.ask(partial(self._bucket.delete, digits_of(name)))
                    count += 1
            if not mark:
                break
        await self.ask(partial(self._bucket.drop_parts, age))
        self._next_sweep = now + self._orphan_age
        return count

    async def close(self) -> None:
        await self._disk.close()
        await self._threads.close()
        self._bucket.close()

    def ask(self, do: Callable[[], T]) -> Deferred[T]:
        """Runs a call in a thread; StoreError if all threads were busy for too long."""
        asked = time.monotonic()

        def work(_: None) -> T:
            if time.monotonic() - asked > self._patience:
                raise StoreError(f"the object store is too slow: no turn for a request in {self._patience:g} s")
            return do()

        return self._threads.do(work)

    async def put(self, name: str, file: IO[bytes], size: int) -> None:
        await self.ask(partial(self._bucket.put, digits_of(name), file, size))

    def on_disk(self, do: Callable[[], T]) -> Deferred[T]:
        return self._disk.do(lambda _: do())


class ObjectDraft:
    """A content on its way in: in a file that has no name, then in the bucket."""

    def __init__(self, objects: ContentObjects, spool: Path) -> None:
        self._objects = objects
        self._spool = spool
        self._file: IO[bytes] | None = None
        self._digest = sha256()
        self._size = 0
        self._name = ""

    async def append(self, pieces: list[bytes]) -> None:
        await self._objects.on_disk(lambda: self._append(pieces))

    async def finish(self, pieces: list[bytes]) -> Kept:
        await self.append(pieces)
        assert self._file is not None
        self._name = f"{OBJECT}{secrets.token_hex(16)}.{self._digest.hexdigest()}"
        await self._objects.put(self._name, self._file, self._size)
        await self._let_go()
        return Kept(self._name, None)

    async def discard(self) -> None:
        if self._name:
            self._objects.delete([self._name])
        await self._let_go()

    async def _let_go(self) -> None:
        """Runs in a thread, because freeing a large file takes time."""
        file, self._file = self._file, None
        if file is not None:
            await self._objects.on_disk(file.close)

    def _append(self, pieces: list[bytes]) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._spool)  # noqa: SIM115  # it is closed by `finish` or `discard`
        for piece in pieces:
            self._digest.update(piece)
            self._size += len(piece)
        self._file.writelines(pieces)


class Reading:
    """One object as it comes, in threads, one call at a time; what was cut goes on where it was."""

    def __init__(self, bucket: Bucket, name: str, size: int) -> None:
        self._bucket = bucket
        self._name = name
        self._size = size
        self._offset = 0
        self._digest = sha256()
        self._body: Any = None

    def next(self) -> bytes:
        """Some octets; none at the end. Raises Damaged, and what `trouble` knows."""
        wanted = min(AHEAD, self._size - self._offset)
        if not wanted:
            return b""
        octets = self._read(wanted)
        self._offset += len(octets)
        self._digest.update(octets)
        if self._offset == self._size and self._digest.hexdigest() != self._name.rpartition(".")[2]:
            raise Damaged(f"the object {digits_of(self._name)} is not what was accepted")
        return octets

    def _read(self, wanted: int) -> bytes:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        for attempt in range(self._bucket.place.attempts):
            try:
                if self._body is None:
                    self._open()
                octets: bytes = self._body.read(wanted)
            except (BotoCoreError, OSError):
                self.close()
                if attempt + 1 == self._bucket.place.attempts:
                    raise
                continue
            if octets:
                return octets
            self.close()
        raise StoreError(f"the object {digits_of(self._name)} ends after {self._offset} octets, again and again")

    def _open(self) -> None:
        body, length = self._bucket.get(digits_of(self._name), self._offset)
        self._body = body
        if length != self._size - self._offset:
            self.close()
            raise Damaged(f"the object {digits_of(self._name)} is not as long as it was")

    def close(self) -> None:
        """Close the connection and drop the octets that are not read yet."""
        body, self._body = self._body, None
        if body is not None:
            with contextlib.suppress(Exception):
                body.close()


def is_name(name: str) -> bool:
    """Whether a row that says so names an object."""
    return _NAME.match(name) is not None


def digits_of(name: str) -> str:
    """Digests at the end of an object key."""
    return name.removeprefix(OBJECT)
