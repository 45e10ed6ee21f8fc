"""Contents in the database: lookup by letter, recent octets and large contents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from mailstack.letter import Content, LetterId
from mailstack.letter.letter import Octets
from mailstack.store import Acceptance, ContentWriter, Damaged, OutcomeUnknown, StoreError, sql
from mailstack.store.batch import Batch, ReaderPool
from mailstack.store.connection import Connection
from mailstack.store.content_cache import ReadAheadBatch, RecentOctets
from mailstack.store.contents import LargeContent, LargeContents, StoredContent, Writing, digest_of, is_intact
from mailstack.store.folders import FolderRefused
from mailstack.store.settings import StoreSettings

T = TypeVar("T")


class SqlContents:
    """See `mailstack.store.content_store.ContentStore`."""

    def __init__(self, readers: ReaderPool, large: LargeContents, settings: StoreSettings) -> None:
        self._readers = readers
        self._large = large
        self._recent = RecentOctets(settings.recent_octets)
        self._memory_limit = settings.memory_limit
        self._orphan_age = settings.orphan_age

    def new(self) -> ContentWriter:
        return Writing(self._large, self._memory_limit)

    async def get(self, letter: LetterId) -> Content:
        return await self._readers.do(lambda connection: self._query(connection, letter))

    async def sweep(self) -> int:
        return await self.sweep_part(self._large)

    async def sweep_part(self, large: LargeContents) -> int:
        """Delete old contents without a letter in one storage; returns the number. Raises StoreError."""
        return await large.sweep(self._orphan_age, self._known_files)

    def stored(self, letter: LetterId, size: int) -> Content:
        """Content of a stored letter, found when it is read."""
        return StoredContent(self._open, letter, size)

    def read_ahead(self) -> ReadAheadBatch:
        """Contents of the letters of one claim, read in few queries."""
        return ReadAheadBatch(self._small, self.get, self._recent, self._memory_limit)

    def add_recent(self, letter: LetterId, octets: bytes) -> None:
        """Caches a content that was just accepted."""
        self._recent.add(letter, octets)

    async def own(self, content: Content) -> Content:
        """The content as this store stores it: a small one in a row, a large one under a name of its own."""
        if isinstance(content, Octets) and content.size <= self._memory_limit:
            return content
        if isinstance(content, LargeContent) and content.where is self._large and not content.kept:
            return content
        return await self._copy(content)

    def from_row(self, letter: str, size: int, row: Sequence[Any]) -> Content:
        """Content from its columns file, octets and digest. Raises Damaged if it is not the accepted one."""
        name, octets, digest = row
        if digest is not None and not isinstance(digest, str):
            raise Damaged(f"table contents, {letter!r}: the digest is no text")
        if isinstance(name, str):
            content = LargeContent(self._large, name, size, digest)
            content.kept = True
            return content
        if not isinstance(octets, bytes) or len(octets) != size or not is_intact(octets, digest):
            raise Damaged(f"table contents, {letter!r}: not the {size} octets that were accepted")
        return Octets(octets)

    async def write_with(self, batch: Batch, acceptances: Sequence[Acceptance], write: Callable[[], Awaitable[T]]) -> T:
        """Add letters with their contents to `batch`, and return the result of `write`, which makes them durable."""
        small: list[tuple[LetterId, bytes]] = []
        files: list[LargeContent] = []
        try:
            for acceptance in acceptances:
                content = await self.own(acceptance.letter.content)
                if isinstance(content, LargeContent):
                    content.kept = True
                    files.append(content)
                    batch.add_acceptance(acceptance, content.name, None, content.digest)
                elif isinstance(content, Octets):
                    small.append((acceptance.letter.id, content.octets))
                    batch.add_acceptance(acceptance, None, content.octets, digest_of(content.octets))
            result = await write()
        except OutcomeUnknown:
            # If it was committed, it needs its contents; if not, a sweep removes them.
            raise
        except (StoreError, FolderRefused):
            for content in files:
                content.kept = False
            raise
        for letter, octets in small:
            self.add_recent(letter, octets)
        return result

    def _query(self, connection: Connection, letter: LetterId) -> Content:
        found = connection.execute(sql.CONTENT_OF, (letter,)).fetchall()
        if not found:
            raise KeyError(letter)
        size, *row = found[0]
        if not isinstance(size, int):
            raise Damaged(f"table letters, {letter!r}: the size is no number")
        return self.from_row(letter, size, row)

    async def _open(self, letter: LetterId) -> Content:
        """Content from the cache, else from the database."""
        octets = self._recent.get(letter)
        return await self.get(letter) if octets is None else Octets(octets)

    async def _small(self, letters: Sequence[LetterId]) -> dict[LetterId, bytes]:
        return await self._readers.do(lambda connection: connection.small_contents(letters))

    async def _known_files(self, names: Sequence[str]) -> set[str]:
        """Those names of large contents that are in rows."""
        if not names:
            return set()
        statement = sql.known_files(len(names))
        return {
            name for (name,) in await self._readers.do(lambda connection: list(connection.execute(statement, names)))
        }

    async def _copy(self, content: Content) -> Content:
        copy = self.new()
        try:
            async for chunk in content.chunks():
                await copy.write(chunk)
            return await copy.finish()
        except BaseException:
            copy.discard()
            raise
