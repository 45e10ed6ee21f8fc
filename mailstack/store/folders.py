"""Folders of accounts: names, special uses and subscriptions (RFC 3501 §5.1, RFC 6154)."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import Protocol

from msgspec import Struct

from mailstack.letter import LetterId

INBOX = "INBOX"
SEPARATOR = "/"
_ASCII_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def names_below(name: str) -> tuple[str, str]:
    """Bounds of the names that begin with `name` and SEPARATOR; both are excluded.

    A folder's mailbox has the name of the account, SEPARATOR and an id: no address ends so, since no domain has a slash.
    """
    return name + SEPARATOR, name + chr(ord(SEPARATOR) + 1)


def ascii_lower(name: str) -> str:
    """A name with the letters of ASCII in lower case, and all others as they are."""
    return name.translate(_ASCII_LOWER)


def account_of(mailbox: str) -> str:
    """Account of a mailbox: its name without the id of a folder."""
    at = mailbox.rfind("@")
    place = mailbox.find(SEPARATOR, at + 1)
    return mailbox if place < 0 else mailbox[:place]


class FolderRefused(Exception):
    """A change of folders is refused; nothing was changed."""


class FolderExists(FolderRefused):
    """The account has a folder of this name."""


class NoSuchFolder(FolderRefused):
    """The account has no folder of this name."""


class FolderHasChildren(FolderRefused):
    """The folder has folders below it, and is not removed."""


class Folder(Struct, frozen=True):
    """One folder name of an account."""

    path: str
    """Decoded name, with SEPARATOR between its levels."""
    mailbox: str = ""
    """Name of its mailbox for `MailboxStore`: the account for INBOX. "": subscribed, but not there."""
    use: str = ""
    r"""Special use such as "\Sent"; "" without one."""
    is_subscribed: bool = False


class FolderStore(Protocol):
    """Part `folders` of `mailstack.store.Store`.

    INBOX always exists. Its mailbox is the one that deliveries enter and POP3 reads. Paths have been checked by the
    caller. A mailbox of a folder that was removed is never used again, so no validity repeats for a path.
    """

    async def list(self, account: str) -> list[Folder]:
        """All folders and subscribed names of an account, by path; INBOX first."""

    async def named(self, account: str, name: str) -> Folder | None:
        """Folder that an address names as its detail (RFC 5233): user+name@; None without one.

        ASCII letters match in any case, other characters as they are; a name in the same case comes first. Folders with
        a special use are no answer, so that no sender can file a message as sent or as a draft.
        """

    async def with_use(self, account: str, use: str) -> Folder | None:
        r"""The first folder with a special use, such as "\Junk"; None without one."""

    async def prepare(self, account: str, folders: Sequence[Folder], now: float) -> None:
        """Create INBOX and folders (`path`, `use`, `is_subscribed`) at the first call for an account.

        Later calls do nothing. INBOX has a mailbox from then on. `now`: seconds since 1970, here and below.
        """

    async def create(self, account: str, path: str, now: float, use: str = "") -> Folder:
        """Create a folder with its missing parents. Raises FolderExists."""

    async def remove(self, account: str, path: str) -> None:
        """Remove a folder with its messages; its subscription stays. Raises NoSuchFolder, FolderHasChildren."""

    async def rename(self, account: str, path: str, to: str, now: float) -> None:
        """Rename a folder with the folders below it, and create missing parents. Raises NoSuchFolder, FolderExists.

        Subscriptions stay at their names. `to` is not below `path`, which the caller has checked.

        INBOX keeps existing: its messages move into the new folder (RFC 3501 §6.3.5).
        """

    async def letters_in(self, name: str, account: str | None, limit: int) -> Sequence[LetterId]:
        """Letters in folders with a name or a special use (without its backslash), in any case of ASCII letters.

        Of one account, or of all; at most `limit`, the latest in the folders.
        """

    async def subscribe(self, account: str, path: str, *, on: bool) -> None:
        """Subscribe or unsubscribe a name, which need not exist."""
