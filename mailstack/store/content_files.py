"""Large contents in files of a directory.

A file is durable, under the name it keeps, before the row that names it is committed (SMTP-29).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from mailstack.letter.letter import CHUNK
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.store import Damaged, StoreError
from mailstack.store.contents import AHEAD, AT_ONCE, Kept, Named, Verification, new_digest

T = TypeVar("T")

DIRECTORY = "contents"
"""Name of the directory in a data directory."""

AT_A_TIME = 64
"""Pieces that the system is given together; it takes more, but those that are so many are small."""

_NAME = re.compile(r"[0-9a-f]{32}\Z")


def is_name(name: str) -> bool:
    """Whether one of our files may be called so."""
    return _NAME.match(name) is not None


def path_of(directory: Path, name: str) -> Path:
    """Raises StoreError for a name that none of our files can have."""
    if not is_name(name):
        raise StoreError(f"table contents: {name!r:.80} names no file of ours")
    return directory / name[:2] / name


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, pieces: Sequence[bytes]) -> None:
    """Write all pieces with few calls: each call releases the interpreter's lock and has to get it back.

    The kernel gathers the pieces, so that joining a megabyte does not hold that lock.
    """
    if len(pieces) > AT_A_TIME:
        pieces = [b"".join(pieces)]
    waiting: list[bytes | memoryview] = list(pieces)
    while waiting:
        written = os.writev(descriptor, waiting)
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.pop(0))
        if written:
            waiting[0] = memoryview(waiting[0])[written:]


class InThread(Protocol):
    """Calls a function in another thread."""

    def __call__(self, do: Callable[[], T], /) -> Deferred[T]:
        """Returns the result of the call; raises OSError as StoreError or StoreFull."""


class ContentFiles:
    """The directory of contents: contents/xx/name, xx being the name's first two digits."""

    writable = True

    def __init__(self, directory: Path, in_thread: InThread) -> None:
        """`open` must be called before anything else."""
        self._directory = directory
        self.in_thread = in_thread
        self.room = MemoryBudget()
        self._descriptor: int | None = None
        self._flushed: set[str] = set()
        """Folders of which this process has flushed the name: that it is there says nothing of the disk."""

    def open(self) -> None:
        """Opens the existing directory; a later one at the same path is never used. Raises OSError."""
        if self._descriptor is None:
            self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)

    def release(self) -> None:
        """Close the directory, when no thread uses it any more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def owns(self, name: str) -> bool:
        return is_name(name)

    def draft(self) -> FileDraft:
        return FileDraft(self)

    async def chunks(self, name: str, size: int, digest: str | None = None) -> AsyncIterator[bytes]:
        """Raises StoreError if the file can't be read, Damaged if it is missing or differs from what was written."""
        path = self._path(name)
        file = await self.in_thread(lambda: self._opened(path, size))
        verification = Verification(f"content file {name}", size, digest)
        with file:
            while verification.left:
                octets = await self.in_thread(lambda: verification.feed(file.read(AHEAD)))
                for start in range(0, len(octets), CHUNK):
                    yield octets[start : start + CHUNK]

    async def verify(self, name: str, size: int, digest: str | None = None) -> None:
        """Reads a file that `chunks` would give in several pieces."""
        if size > AHEAD and digest is not None:
            chunks = self.chunks(name, size, digest)
            async for _ in chunks:
                pass

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            with contextlib.suppress(OSError, StoreError):
                os.unlink(self._path(name), dir_fd=self._at)

    async def sweep(self, age: float, named: Named) -> int:
        old = await self.in_thread(lambda: self._older_than(age))
        count = 0
        for start in range(0, len(old), AT_ONCE):
            part = old[start : start + AT_ONCE]
            orphans = set(part) - await named(part)
            await self.in_thread(partial(self.delete, orphans))
            count += len(orphans)
        return count

    async def close(self) -> None:
        """The threads are their owner's."""

    def create(self) -> tuple[str, FileIO]:
        """A new file under its name, to write to."""
        name = secrets.token_hex(16)
        path = self._path(name)
        self._make_folder(path.parent)
        try:
            return name, open(path, "xb", buffering=0, opener=self._opener)
        except FileNotFoundError:
            # Another process has removed the empty folder.
            self._flushed.discard(path.parent.name)
            self._make_folder(path.parent)
            return name, open(path, "xb", buffering=0, opener=self._opener)

    def make_durable(self, name: str, file: FileIO) -> None:
        """The octets, then the name."""
        os.fdatasync(file.fileno())
        folder = os.open(self._path(name).parent, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._at)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @property
    def _at(self) -> int:
        """Descriptor of the directory."""
        if self._descriptor is None:
            raise StoreError(f"{self._directory} is not open")
        return self._descriptor

    def _path(self, name: str) -> Path:
        """Relative to the directory."""
        return path_of(Path(), name)

    def _opener(self, path: str, flags: int) -> int:
        return os.open(path, flags, 0o600, dir_fd=self._at)

    def _make_folder(self, folder: Path) -> None:
        """Each thread and process flushes the name itself: another that has made the folder may not have done so yet."""
        if folder.name not in self._flushed:
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700, dir_fd=self._at)
            os.fsync(self._at)
            self._flushed.add(folder.name)

    def _opened(self, path: Path, size: int) -> FileIO:
        try:
            file = open(path, "rb", buffering=0, opener=self._opener)  # noqa: SIM115  # the reader closes it
        except FileNotFoundError as error:
            raise Damaged(f"content file {path.name} is not there") from error
        if (found := os.fstat(file.fileno()).st_size) != size:
            file.close()
            raise Damaged(f"content file {path.name} has {found} octets, and {size} were accepted")
        return file

    def _older_than(self, age: float) -> Sequence[str]:
        """The names of files last written more than `age` seconds ago."""
        limit = time.time() - age
        found = []
        for folder in os.scandir(self._at):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                for name in self._names_in(folder.name):
                    with contextlib.suppress(FileNotFoundError):
                        if os.stat(f"{folder.name}/{name}", dir_fd=self._at, follow_symlinks=False).st_mtime <= limit:
                            found.append(name)
        return found

    def _names_in(self, folder: str) -> list[str]:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._at)
        try:
            return [file.name for file in os.scandir(descriptor) if is_name(file.name)]
        finally:
            os.close(descriptor)


class FileDraft:
    """A file that is being written."""

    def __init__(self, files: ContentFiles) -> None:
        self._files = files
        self._name = ""
        self._file: FileIO | None = None
        self._digest = new_digest()

    async def append(self, pieces: list[bytes]) -> None:
        await self._files.in_thread(lambda: self._append(pieces))

    async def finish(self, pieces: list[bytes]) -> Kept:
        """Waits for the disk."""
        await self._files.in_thread(lambda: self._complete(pieces))
        return Kept(self._name, self._digest.hexdigest())

    async def discard(self) -> None:
        if self._name:
            await self._files.in_thread(self._remove)

    def _append(self, pieces: list[bytes]) -> None:
        if self._file is None:
            self._name, self._file = self._files.create()
        for piece in pieces:
            self._digest.update(piece)
        write_all(self._file.fileno(), pieces)

    def _complete(self, pieces: list[bytes]) -> None:
        self._append(pieces)
        if self._file is not None:
            with self._file:
                self._files.make_durable(self._name, self._file)

    def _remove(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written can't be flushed either
                self._file.close()
        self._files.delete([self._name])
