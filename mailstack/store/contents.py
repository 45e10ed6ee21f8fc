"""Contents on their way in and out: in memory while they are small, in files beyond that.

A file is durable, under the name it keeps, before the row that names it is committed (SMTP-29). A file that no row
names is nothing: what a crash left behind is swept when the store is opened.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from msgspec import Struct
from twisted.internet.defer import Deferred

from mailstack.letter import Content, LetterId
from mailstack.letter.content import CHUNK, Octets
from mailstack.room import SMALL, Room
from mailstack.store import StoreError

T = TypeVar("T")

AHEAD = 4 * CHUNK
"""Octets read from a file, or gathered for it, for one call into another thread."""

_NAME = re.compile(r"[0-9a-f]{32}\Z")


class InThread(Protocol):
    """Calls a function in another thread."""

    def __call__(self, do: Callable[[], T], /) -> Deferred[T]:
        """What it returns or raises, OSError as StoreError or StoreFull."""


class ContentFiles:
    """The directory of contents: contents/xx/name, xx being the name's first two digits."""

    def __init__(self, directory: Path, in_thread: InThread) -> None:
        self._directory = directory
        self.in_thread = in_thread
        self.room = Room()
        """What contents that are written may hold of the memory."""

    def path(self, name: str) -> Path:
        """Raises StoreError for a name that none of our files can have."""
        if not _NAME.match(name):
            raise StoreError(f"table contents: {name!r:.80} names no file of ours")
        return self._directory / name[:2] / name

    def create(self) -> tuple[str, BinaryIO]:
        """A new file under its name, to write to."""
        name = secrets.token_hex(16)
        path = self.path(name)
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_directory(self._directory)
        return name, path.open("xb")

    def make_durable(self, name: str, file: BinaryIO) -> None:
        """The octets, then the name."""
        file.flush()
        os.fdatasync(file.fileno())
        _sync_directory(self.path(name).parent)

    def unlink(self, names: Iterable[str]) -> None:
        """What can't be removed now is swept when the store is opened next."""
        for name in names:
            with contextlib.suppress(OSError):
                self.path(name).unlink(missing_ok=True)

    def older_than(self, age: float) -> set[str]:
        """The names of files last written more than `age` seconds ago."""
        limit = time.time() - age
        found = set()
        with contextlib.suppress(FileNotFoundError):
            for folder in self._directory.iterdir():
                for file in os.scandir(folder):
                    with contextlib.suppress(FileNotFoundError):
                        if _NAME.match(file.name) and file.stat(follow_symlinks=False).st_mtime <= limit:
                            found.add(file.name)
        return found


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileContent:
    """A content in a file, read in another thread as it is asked for."""

    __slots__ = ("files", "kept", "name", "size")

    def __init__(self, files: ContentFiles, name: str, size: int) -> None:
        self.files = files
        self.name = name
        self.size = size
        self.kept = False
        """Whether a letter has it, or is just being accepted with it."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises StoreError when the file can't be read or isn't as long as it was."""
        path = self.files.path(self.name)
        file = await self.files.in_thread(lambda: path.open("rb", buffering=0))
        with file:
            left = self.size
            while left:
                octets = await self.files.in_thread(lambda: file.read(AHEAD))
                left -= len(octets)
                if not octets or left < 0:
                    raise StoreError(f"content file {self.name} is not as long as it was")
                for start in range(0, len(octets), CHUNK):
                    yield octets[start : start + CHUNK]


class Writing:
    """The store's ContentWriter. Nothing more of it is called while a call of it waits, but for `discard`."""

    def __init__(self, files: ContentFiles, memory_limit: int) -> None:
        self._files = files
        self._memory_limit = memory_limit
        self._pieces: list[bytes] = []
        self._held = 0
        self._name = ""
        self._file: BinaryIO | None = None
        self._content: FileContent | None = None
        self._waiting = False
        self._discarded = False
        self.size = 0

    async def write(self, octets: bytes) -> None:
        """Gather; beyond the limit, wait for the file to take what was gathered."""
        room = self._files.room
        self.size += len(octets)
        self._held += len(octets)
        room.held += len(octets)
        self._pieces.append(octets)
        if self._held > (SMALL if room.is_scarce else AHEAD if self._file else self._memory_limit):
            await self._in_thread(self._append)

    async def finish(self) -> Content:
        """Waits for the disk when there is a file."""
        if self._file is None:
            return Octets(b"".join(self._take_pieces()))
        await self._in_thread(self._complete)
        self._content = FileContent(self._files, self._name, self.size)
        return self._content

    def discard(self) -> None:
        """Also while a call waits, as when the connection is lost: then the file goes when that call ends."""
        self._discarded = True
        self._take_pieces()
        if self._name and not self._waiting and not (self._content and self._content.kept):
            # A file that can't be removed now is swept when the store is opened next.
            self._files.in_thread(self._remove).addErrback(lambda _: None)

    def _take_pieces(self) -> list[bytes]:
        """What was gathered, which is held here no longer."""
        pieces, self._pieces = self._pieces, []
        self._files.room.held -= self._held
        self._held = 0
        return pieces

    async def _in_thread(self, work: Callable[[list[bytes]], None]) -> None:
        pieces = self._take_pieces()
        self._waiting = True
        try:
            await self._files.in_thread(lambda: work(pieces))
        finally:
            self._waiting = False
            if self._discarded:
                self.discard()

    def _append(self, pieces: list[bytes]) -> None:
        if self._file is None:
            self._name, self._file = self._files.create()
        self._file.writelines(pieces)

    def _complete(self, pieces: list[bytes]) -> None:
        self._append(pieces)
        if self._file is not None:
            with self._file:
                self._files.make_durable(self._name, self._file)

    def _remove(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written can't be flushed either
                self._file.close()
        self._files.unlink([self._name])


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
    """The content of a letter, found when it is read: lately written, in a row, or in a file."""

    __slots__ = ("_open", "letter", "size")

    def __init__(self, open_content: Callable[[LetterId], Awaitable[Content]], letter: LetterId, size: int) -> None:
        self._open = open_content
        self.letter = letter
        self.size = size

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises StoreError when the content is gone, or damaged."""
        try:
            content = await self._open(self.letter)
        except KeyError:
            raise StoreError(f"nobody needs the content of letter {self.letter} any longer: it is gone") from None
        async for chunk in content.chunks():
            yield chunk


class Gone(Struct, frozen=True):
    """A content that nobody needed any longer."""

    size: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises StoreError."""
        raise StoreError("nobody needs this content any longer: it is gone")
        yield b""
