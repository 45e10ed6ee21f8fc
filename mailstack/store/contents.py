"""Content storage in rows, files or objects, with digests against damage.

A large content is durable, under its final name, before the row with that name is committed (SMTP-29). A content
without a row is an orphan of a crash, and the sweep deletes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol, TypeVar

from twisted.internet.defer import Deferred

from mailstack.letter import Content, LetterId
from mailstack.letter.letter import CHUNK, Octets, verify
from mailstack.protocols.bounded_memory import ALWAYS_ALLOWED, MemoryBudget
from mailstack.store import Damaged, StoreError

T = TypeVar("T")

AHEAD = 4 * CHUNK
"""Octets of a large content that are read at a time."""
GATHERED = 8 * CHUNK
"""Octets that are gathered for one before they are written: for each piece, another thread is woken and wakes us."""
MOST_PIECES = 1024
"""Maximum pieces stored unjoined. A client may send two octets at a time, and each piece costs fifty of memory."""
AT_ONCE = 1000
"""Names that are asked for together."""
OBJECT = "s3/"
"""Prefix of the names of contents in an object store."""

Named = Callable[[Sequence[str]], Awaitable[set[str]]]
"""Query for those of the given names that a row contains."""


class Draft(Protocol):
    """A large content that is being written. One call at a time."""

    async def append(self, pieces: list[bytes]) -> None:
        """Raises StoreFull or StoreError."""

    async def finish(self, pieces: list[bytes]) -> Kept:
        """Append the last of it and make all durable; what a row may give now. Raises as `append`."""

    async def discard(self) -> None:
        """Leave nothing of it, as far as that can be done; also when another call has failed, or after `finish`."""


class Kept(NamedTuple):
    """Name and digest of a large content that is durable."""

    name: str
    digest: str | None
    """Digest from `mailstack.store.contents`; None where the name contains one."""


class LargeContents(Protocol):
    """Storage of contents that are too large for a row; the row has the name of the content."""

    room: MemoryBudget
    """Memory budget of the contents that are being written."""
    writable: bool
    """Whether new contents may go here, or those of before are only read and removed."""

    def owns(self, name: str) -> bool:
        """Whether a name has the form of those that are given here."""

    def draft(self) -> Draft:
        """A new one; nothing is done before it gets octets."""

    def chunks(self, name: str, size: int, digest: str | None = None) -> AsyncIterator[bytes]:
        """The `size` octets under a name, or no end of them: raises StoreError, and Damaged for others than were written.

        Damaged comes before the last octets are given. Without a `digest` only the name and the size say what was written.
        """

    async def verify(self, name: str, size: int, digest: str | None = None) -> None:
        """Raises Damaged for a content that can be seen to be damaged without sending for all of it, and StoreError."""

    def delete(self, names: Iterable[str]) -> None:
        """Delete unneeded contents soon, in any thread. Failures are ignored, for the sweep finds the rest."""

    async def sweep(self, age: float, named: Named) -> int:
        """Remove what was written more than `age` seconds ago and no row names; how many. Raises StoreError."""

    async def close(self) -> None:
        """Finish what was begun."""


class LargeContent:
    """A content that is kept elsewhere, read as it is asked for."""

    __slots__ = ("digest", "kept", "name", "size", "where")

    def __init__(self, where: LargeContents, name: str, size: int, digest: str | None = None) -> None:
        self.where = where
        self.name = name
        self.size = size
        self.digest = digest
        self.kept = False
        """Whether a letter has it, or is just being accepted with it."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Raises as `LargeContents.chunks`."""
        return self.where.chunks(self.name, self.size, self.digest)

    async def verify(self) -> None:
        """Raises as `LargeContents.verify`."""
        await self.where.verify(self.name, self.size, self.digest)


class Several:
    """Contents in more than one place: new ones go to the first that takes any, each is read from where its name says."""

    writable = True

    def __init__(self, first: LargeContents, *others: LargeContents) -> None:
        self._all = (first, *others)
        self.room = first.room

    def owns(self, name: str) -> bool:
        return any(each.owns(name) for each in self._all)

    def draft(self) -> Draft:
        return next(each for each in self._all if each.writable).draft()

    def chunks(self, name: str, size: int, digest: str | None = None) -> AsyncIterator[bytes]:
        return self._of(name).chunks(name, size, digest)

    async def verify(self, name: str, size: int, digest: str | None = None) -> None:
        await self._of(name).verify(name, size, digest)

    def _of(self, name: str) -> LargeContents:
        for each in self._all:
            if each.owns(name):
                return each
        raise StoreError(f"table contents: {name!r:.80} is nowhere that the configuration knows; see [contents]")

    def delete(self, names: Iterable[str]) -> None:
        wanted = list(names)
        for each in self._all:
            each.delete([name for name in wanted if each.owns(name)])

    async def sweep(self, age: float, named: Named) -> int:
        return sum([await each.sweep(age, named) for each in self._all])

    async def close(self) -> None:
        for each in self._all:
            await each.close()


class Writing:
    """The store's ContentWriter. Nothing more of it is called while a call of it waits, but for `discard`."""

    def __init__(self, large: LargeContents, memory_limit: int) -> None:
        self._large = large
        self._memory_limit = memory_limit
        self._pieces: list[bytes] = []
        self._held = 0
        self._draft: Draft | None = None
        self._content: LargeContent | None = None
        self._waiting = False
        self._discarded = False
        self.size = 0

    async def write(self, octets: bytes) -> None:
        """Gather; beyond the limit, wait for the draft to take what was gathered."""
        room = self._large.room
        self.size += len(octets)
        self._held += len(octets)
        room.used += len(octets)
        self._pieces.append(octets)
        if len(self._pieces) > MOST_PIECES:
            self._pieces = [b"".join(self._pieces)]
        if self._held > (ALWAYS_ALLOWED if room.exhausted else GATHERED if self._draft else self._memory_limit):
            if self._draft is None:
                self._draft = self._large.draft()
            await self._waited(self._draft.append(self._take_pieces()))

    async def finish(self) -> Content:
        """Waits until a large content is durable."""
        if self._draft is None:
            return Octets(b"".join(self._take_pieces()))
        name, digest = await self._waited(self._draft.finish(self._take_pieces()))
        self._content = LargeContent(self._large, name, self.size, digest)
        return self._content

    def discard(self) -> None:
        """May be called during a call, after a lost connection: the draft is removed at the end of that call."""
        self._discarded = True
        self._take_pieces()
        if self._draft is not None and not self._waiting and not (self._content and self._content.kept):
            # What can't be removed now is swept.
            Deferred.fromCoroutine(self._draft.discard()).addErrback(lambda _: None)

    def _take_pieces(self) -> list[bytes]:
        """Returns the collected pieces and clears them."""
        pieces, self._pieces = self._pieces, []
        self._large.room.used -= self._held
        self._held = 0
        return pieces

    async def _waited(self, call: Awaitable[T]) -> T:
        self._waiting = True
        try:
            return await call
        finally:
            self._waiting = False
            if self._discarded:
                self.discard()


class WritingInMemory:
    """The ContentWriter of a store that has no disk."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    async def write(self, octets: bytes) -> None:
        self._pieces.append(octets)
        self.size += len(octets)

    async def finish(self) -> Content:
        return Octets(b"".join(self._pieces))

    def discard(self) -> None:
        self._pieces = []


class StoredContent:
    """The content of a letter, found when it is read: lately written, in a row, or elsewhere."""

    __slots__ = ("_open", "letter", "size")

    def __init__(self, open_content: Callable[[LetterId], Awaitable[Content]], letter: LetterId, size: int) -> None:
        self._open = open_content
        self.letter = letter
        self.size = size

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises StoreError if the content is missing or damaged."""
        content = await self._opened()
        if isinstance(content, Octets) and content.size <= CHUNK:
            yield content.octets
            return
        async for chunk in content.chunks():
            yield chunk

    async def verify(self) -> None:
        """Raises as `chunks`, for what can be seen to be damaged."""
        await verify(await self._opened())

    async def _opened(self) -> Content:
        try:
            return await self._open(self.letter)
        except KeyError:
            raise StoreError(
                f"letter {self.letter}: content already deleted, no delivery or mailbox needs it"
            ) from None


def new_digest() -> blake2b:
    """BLAKE2b with 128 bits: fast on every processor, and wrong by chance never."""
    return blake2b(digest_size=16)


def digest_of(octets: bytes) -> str:
    """32 hexadecimal digits, as the table contents keeps them."""
    return blake2b(octets, digest_size=16).hexdigest()


def is_intact(octets: bytes, digest: object) -> bool:
    """Whether octets have this digest; also where there is none, for older programs wrote none."""
    return digest is None or digest_of(octets) == digest


class Verification:
    """Counts and digests a large content as it is read, in any one thread at a time."""

    __slots__ = ("_digest", "_expected", "_what", "left")

    def __init__(self, what: str, size: int, expected: str | None) -> None:
        """`what` names the content in messages; `expected` is its digest, None where there is none."""
        self._what = what
        self._expected = expected
        self._digest = new_digest()
        self.left = size
        """Octets that are still to come."""

    def feed(self, octets: bytes) -> bytes:
        """The same octets; raises Damaged for the last of a content that is not what was accepted.

        So a reader never has all octets of a damaged content.
        """
        self.left -= len(octets)
        if not octets or self.left < 0:
            raise Damaged(f"{self._what} is not as long as it was")
        self._digest.update(octets)
        if not self.left and self._expected is not None and self._digest.hexdigest() != self._expected:
            raise Damaged(f"{self._what} is not what was accepted: its digest is wrong")
        return octets
