"""Preloaded letters of a directory: ADDRESS/INBOX/*.eml, as in GreenMail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from mailstack.letter import Address, AddressError
from mailstack.protocols.smtp.replies import Refusal

INBOX = "inbox"
MOST = 10_000
"""Letters."""
LARGEST = 50 * 1024 * 1024
"""Octets of one."""


class Preloads(Struct, frozen=True):
    """What a directory holds."""

    letters: tuple[tuple[str, Path], ...]
    """Each mailbox and file, in their order by name."""
    left: tuple[Path, ...] = ()
    """Folders of mailboxes that are no INBOX."""


def preloads_in(directory: Path) -> Preloads:
    """Raises ValueError, with a reason for people, and OSError."""
    letters: list[tuple[str, Path]] = []
    left: list[Path] = []
    for mailbox in sorted(each for each in directory.iterdir() if each.is_dir()):
        try:
            address = str(Address.parse(mailbox.name))
        except AddressError as error:
            raise ValueError(f"{mailbox} is named like no mailbox: {error}") from None
        for folder in sorted(each for each in mailbox.iterdir() if each.is_dir()):
            if folder.name.lower() != INBOX:
                left.append(folder)
                continue
            letters += [(address, file) for file in sorted(folder.glob("*.eml"))]
            if len(letters) > MOST:
                raise ValueError(f"{directory} holds more than {MOST} letters")
    return Preloads(tuple(letters), tuple(left))


async def preload(
    directory: Path,
    hand_in: Callable[[str, list[str], bytes], Awaitable[object]],
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
) -> None:
    """Hand each letter in, for its mailbox alone. Raises ValueError for one that can't be taken, and OSError."""
    found: Preloads = await in_thread(lambda: preloads_in(directory))
    for mailbox, file in found.letters:
        octets: bytes = await in_thread(partial(_read, file))
        try:
            await hand_in("", [mailbox], octets)
        except Refusal as refusal:
            raise ValueError(f"{file} can't be taken: {refusal.reply}") from None


def _read(file: Path) -> bytes:
    """With the ends of lines that mail has; files have those of their system."""
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file} has {size} octets, and {LARGEST} are the most that is taken")
    return b"".join(line + b"\r\n" for line in file.read_bytes().splitlines())
