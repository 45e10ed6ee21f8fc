"""Detects letters in mbox files, Maildirs, folders and single files by their content."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from mailstack.letter.files import mbox
from mailstack.letter.files.mbox import with_crlf
from mailstack.letter.header import split

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
