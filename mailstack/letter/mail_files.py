"""Reads and writes letters in mbox files, Maildirs and folders of .eml files."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from msgspec import Struct

from mailstack.letter import LetterId, mbox
from mailstack.letter.header import split
from mailstack.letter.mbox import with_crlf, with_lf

MAILDIR = ("cur", "new")
"""Folders of a Maildir with complete letters, so without `tmp`."""
_DETECTION_SIZE = 4096
"""Octets of a file that are read to detect a letter."""
_PIECE = 65536


class FoundFile(Struct, frozen=True):
    """A letter in a file, which is reopened for reading."""

    name: str
    """Name for messages: the file, and in an mbox the number of the letter, from 1."""
    size: int
    """Octets in the file."""
    chunks: Callable[[], Iterator[bytes]]
    """Function that reads the octets with CRLF line ends. Raises OSError."""


class ScanResult(Struct, frozen=True):
    """Letters and other files in the given paths."""

    letters: tuple[FoundFile, ...] = ()
    other_files: tuple[Path, ...] = ()
    """Files without a letter."""
    subfolders: tuple[Path, ...] = ()
    """Folders in a Maildir, which are separate mailboxes."""


def detect(paths: Sequence[Path], *, since: float | None = None) -> ScanResult:
    """All letters, in the order of file names. `since` (seconds since 1970) skips files changed earlier.

    Links in a folder are not followed. Raises OSError.
    """
    letters: list[FoundFile] = []
    other_files: list[Path] = []
    subfolders: list[Path] = []
    for path in paths:
        for file in _files(path, subfolders) if path.is_dir() else (path,):
            facts = file.stat()
            if not stat.S_ISREG(facts.st_mode):
                raise OSError(f"{file} is neither a file nor a folder")
            if since is not None and facts.st_mtime < since:
                continue
            file_letters = list(_letters(file, facts.st_size))
            letters += file_letters
            if not file_letters and facts.st_size:
                other_files.append(file)
    return ScanResult(tuple(letters), tuple(other_files), tuple(subfolders))


def _files(folder: Path, subfolders: list[Path]) -> Iterator[Path]:
    """Letters of a Maildir; all files in any other folder that are not hidden."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    is_maildir = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)} >= set(MAILDIR)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if is_maildir and entry.name in MAILDIR:
                yield from _files_in(Path(entry))
            elif is_maildir and entry.name != "tmp":
                subfolders.append(Path(entry))
            elif not is_maildir and not entry.name.startswith("."):
                yield from _files(Path(entry), subfolders)
        elif not is_maildir and entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
            yield Path(entry)


def _files_in(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
            yield Path(entry)


def _letters(file: Path, size: int) -> Iterator[FoundFile]:
    with file.open("rb") as opened:
        beginning = opened.read(_DETECTION_SIZE)
        if beginning.startswith(mbox.FROM):
            opened.seek(0)
            for number, (start, end) in enumerate(mbox.spans(opened), 1):
                yield FoundFile(f"{file}:{number}", end - start, partial(_span, file, start, end))
        elif is_letter(beginning):
            yield FoundFile(str(file), size, partial(_whole, file))


def is_letter(beginning: bytes) -> bool:
    """Whether a header field is first, with any line ends."""
    return split(b"".join(with_crlf((beginning,)))) > 0


def _span(file: Path, start: int, end: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from with_crlf(mbox.letter(opened, start, end))


def _whole(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from with_crlf(iter(partial(opened.read, _PIECE), b""))


class LetterWriter(Protocol):
    """Writer of letters in one format, used until `finish`. All calls raise OSError."""

    def has(self, letter: LetterId, size: int | None = None) -> bool:
        """Whether the complete letter exists; `size` (octets) detects files truncated by a power cut."""

    def add(self, letter: LetterId, sender: str, at: float, octets: Iterable[bytes]) -> None:
        """Write a letter atomically. `at` is its arrival in seconds since 1970."""

    def finish(self) -> None:
        """Flush all added letters to the disk."""


class EmlFolder:
    """Folder of unchanged letters in ID.eml files."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path

    def has(self, letter: LetterId, size: int | None = None) -> bool:
        try:
            file_size = (self._path / f"{letter}.eml").stat().st_size
        except FileNotFoundError:
            return False
        return file_size > 0 if size is None else file_size == size

    def add(self, letter: LetterId, sender: str, at: float, octets: Iterable[bytes]) -> None:  # noqa: ARG002
        part = self._path / f".{letter}.part"
        _write(part, octets, at)
        part.rename(self._path / f"{letter}.eml")

    def finish(self) -> None:
        os.sync()


class MaildirFolder:
    """Maildir: letters are written in `tmp` and moved to `new`; a reader may move them to `cur`."""

    def __init__(self, path: Path) -> None:
        for name in ("tmp", *MAILDIR):
            (path / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._ids = {
            entry.name.split(":")[0].split(".")[1]
            for name in MAILDIR
            for entry in os.scandir(path / name)
            if entry.name.count(".") >= 2 and entry.stat().st_size > 0
        }

    def has(self, letter: LetterId, size: int | None = None) -> bool:  # noqa: ARG002 - the size differs by line ends
        return letter in self._ids

    def add(self, letter: LetterId, sender: str, at: float, octets: Iterable[bytes]) -> None:  # noqa: ARG002
        name = f"{int(at)}.{letter}.mailstack"
        part = self._path / "tmp" / name
        _write(part, with_lf(octets), at)
        part.rename(self._path / "new" / name)

    def finish(self) -> None:
        os.sync()


class MboxFile:
    """One mbox file, written under a temporary name and renamed at the end."""

    def __init__(self, path: Path) -> None:
        """Raises FileExistsError for an existing file."""
        if path.exists():
            raise FileExistsError(f"{path} exists already")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._file: BinaryIO = open(self._part, "wb", opener=_private)  # noqa: SIM115 - closed by finish

    def has(self, letter: LetterId, size: int | None = None) -> bool:  # noqa: ARG002
        return False

    def add(self, letter: LetterId, sender: str, at: float, octets: Iterable[bytes]) -> None:  # noqa: ARG002
        self._file.writelines(mbox.entry(sender, time.asctime(time.gmtime(at)), octets))

    def finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)
        _sync(self._path.parent)


FOLDERS: dict[str, Callable[[Path], LetterWriter]] = {"eml": EmlFolder, "maildir": MaildirFolder, "mbox": MboxFile}
"""Writers by the name of their format."""


def _write(file: Path, octets: Iterable[bytes], at: float) -> None:
    """Write a file for its owner alone, without fsync: `finish` syncs all files at once."""
    with open(file, "wb", opener=_private) as opened:
        opened.writelines(octets)
    os.utime(file, (at, at))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
