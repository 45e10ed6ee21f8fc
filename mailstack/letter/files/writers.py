"""Writers of letters to .eml folders, Maildirs and mbox files, without overwriting."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from mailstack.letter import LetterId
from mailstack.letter.files import mbox
from mailstack.letter.files.detect import MAILDIR
from mailstack.letter.files.mbox import with_lf


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
