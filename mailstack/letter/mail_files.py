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
"""Folders of a Maildir with letters; what is in `tmp` is not whole."""
_BEGINNING = 4096
"""Octets by which one sees whether a file is a letter."""
_PIECE = 65536


class FoundFile(Struct, frozen=True):
    """A letter in a file. It is opened again to be read, so that very many can be found."""

    name: str
    """Name for messages: the file, and in an mbox the number of the letter, from 1."""
    size: int
    """Octets, as the file has them."""
    chunks: Callable[[], Iterator[bytes]]
    """Reads the octets with the line endings of mail. Raises OSError."""


class ScanResult(Struct, frozen=True):
    """What was found in all that was named."""

    letters: tuple[FoundFile, ...] = ()
    strangers: tuple[Path, ...] = ()
    """Files that hold no letter."""
    left: tuple[Path, ...] = ()
    """Folders within a Maildir: mailboxes of their own."""


def detect(paths: Sequence[Path], *, since: float | None = None) -> ScanResult:
    """All letters, in the order of the names of files. `since`: without files that were changed before (seconds since 1970).

    Raises OSError. Links that stand in a folder are not followed.
    """
    letters: list[FoundFile] = []
    strangers: list[Path] = []
    left: list[Path] = []
    for path in paths:
        for file in _files(path, left) if path.is_dir() else (path,):
            facts = file.stat()
            if not stat.S_ISREG(facts.st_mode):
                raise OSError(f"{file} is neither a file nor a folder")
            if since is not None and facts.st_mtime < since:
                continue
            found = list(_letters(file, facts.st_size))
            letters += found
            if not found and facts.st_size:
                strangers.append(file)
    return ScanResult(tuple(letters), tuple(strangers), tuple(left))


def _files(folder: Path, left: list[Path]) -> Iterator[Path]:
    """Of a Maildir its own letters; of another folder all that is in it and is not hidden."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    is_maildir = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)} >= set(MAILDIR)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if is_maildir and entry.name in MAILDIR:
                yield from _files_in(Path(entry))
            elif is_maildir and entry.name != "tmp":
                left.append(Path(entry))
            elif not is_maildir and not entry.name.startswith("."):
                yield from _files(Path(entry), left)
        elif not is_maildir and entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
            yield Path(entry)


def _files_in(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
            yield Path(entry)


def _letters(file: Path, size: int) -> Iterator[FoundFile]:
    with file.open("rb") as opened:
        beginning = opened.read(_BEGINNING)
        if beginning.startswith(mbox.FROM):
            opened.seek(0)
            for number, (start, end) in enumerate(mbox.spans(opened), 1):
                yield FoundFile(f"{file}:{number}", end - start, partial(_span, file, start, end))
        elif is_letter(beginning):
            yield FoundFile(str(file), size, partial(_whole, file))


def is_letter(beginning: bytes) -> bool:
    """Whether a header field stands first, whatever the ends of lines are."""
    return split(b"".join(with_crlf((beginning,)))) > 0


def _span(file: Path, start: int, end: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from with_crlf(mbox.letter(opened, start, end))


def _whole(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from with_crlf(iter(partial(opened.read, _PIECE), b""))


class LetterWriter(Protocol):
    """A place for letters, from its making to `finish`. All calls raise OSError."""

    def has(self, letter: LetterId, size: int | None = None) -> bool:
        """Whether it is there, whole: `size` in octets, if that is known. What a power cut has left of one is not."""

    def add(self, letter: LetterId, sender: str, at: float, octets: Iterable[bytes]) -> None:
        """Write one. A killed process has written it as a whole, or not at all. `at` is when it arrived, seconds since 1970."""

    def finish(self) -> None:
        """All that was added is on the disk."""


class EmlFolder:
    """ID.eml, octet for octet."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path

    def has(self, letter: LetterId, size: int | None = None) -> bool:
        try:
            found = (self._path / f"{letter}.eml").stat().st_size
        except FileNotFoundError:
            return False
        return found > 0 if size is None else found == size

    def add(self, letter: LetterId, sender: str, at: float, octets: Iterable[bytes]) -> None:  # noqa: ARG002
        part = self._path / f".{letter}.part"
        _write(part, octets, at)
        part.rename(self._path / f"{letter}.eml")

    def finish(self) -> None:
        os.sync()


class MaildirFolder:
    """As Maildir names and writes them: in `tmp`, then in `new`; a reader may have moved it to `cur` since."""

    def __init__(self, path: Path) -> None:
        for name in ("tmp", *MAILDIR):
            (path / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._there = {
            entry.name.split(":")[0].split(".")[1]
            for name in MAILDIR
            for entry in os.scandir(path / name)
            if entry.name.count(".") >= 2 and entry.stat().st_size > 0
        }

    def has(self, letter: LetterId, size: int | None = None) -> bool:  # noqa: ARG002 - lines end otherwise there
        return letter in self._there

    def add(self, letter: LetterId, sender: str, at: float, octets: Iterable[bytes]) -> None:  # noqa: ARG002
        name = f"{int(at)}.{letter}.mailstack"
        part = self._path / "tmp" / name
        _write(part, with_lf(octets), at)
        part.rename(self._path / "new" / name)

    def finish(self) -> None:
        os.sync()


class MboxFile:
    """One file, written beside its place and moved there at the end: a program that reads it never meets a half one."""

    def __init__(self, path: Path) -> None:
        """Raises FileExistsError: the letters of an existing file are not known."""
        if path.exists():
            raise FileExistsError(f"{path} is there already")
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
    """For its owner alone. The disk is waited for once, at the end: for each of ten thousand it takes minutes."""
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
