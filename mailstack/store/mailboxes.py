"""Mailboxes of the store: entries, maildrop locks and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from mailstack.letter import Content, LetterId
from mailstack.letter.delivery import Step


class Placement(Struct, frozen=True):
    """New entry of a local mailbox. The mailbox is created with its first entry and assigns the uids."""

    mailbox: str
    """`Address.key` of the mailbox."""
    delivery: tuple[LetterId, int]
    """Letter and number of the fulfilled delivery."""
    headers: bytes
    """Trace fields before the content, of this entry only."""
    size: int
    """Octets of headers and content together."""
    at: float
    """Time of arrival, seconds since 1970. It is also the validity of a mailbox that this entry creates."""


class Entry(NamedTuple):
    """One letter in a mailbox. A NamedTuple, because mailboxes hold tens of thousands."""

    uid: int
    """Increases with each entry of the mailbox; never reused (RFC 1939 §7, RFC 9051 §2.3.1.1)."""
    size: int
    """Octets, headers and content."""
    letter: LetterId


class Maildrop(Struct, frozen=True):
    """The letters of one mailbox as they were when the session began, held exclusively (RFC 1939 §4)."""

    mailbox: str
    validity: int
    """Changes when a mailbox of this name is created again, so that no UIDL repeats. 0: no mailbox."""
    entries: list[Entry]
    """Entries in the order of arrival."""


class MailboxStore(Protocol):
    """Part `mailboxes` of `mailstack.store.Store`."""

    async def open(self, mailbox: str, owner: str) -> Maildrop:
        """Lock the maildrop for `owner` and list it; an unknown mailbox is empty. Raises MaildropInUse.

        The lock also excludes other processes, and ends with its process.
        """

    async def release(self, mailbox: str, owner: str) -> None:
        """Release the lock; harmless when `owner` does not hold it."""

    async def entries(self, mailbox: str, after: int, limit: int) -> list[Entry]:
        """The first `limit` entries of a mailbox with a greater uid than `after`, in order; takes no lock."""

    async def read(self, mailbox: str, uid: int) -> Content:
        """Letter with its trace fields on top. Raises KeyError if it is gone, Damaged if its content differs from the
        accepted one.

        Damaged is raised here, or before the last octets; a damaged content is never returned whole.
        """

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        """Several letters by uid, in one query; missing and damaged ones are left out."""

    async def update(
        self, mailbox: str, *, collected: Sequence[int], deleted: Sequence[int], steps: Sequence[Step]
    ) -> list[Step]:
        """Marks letters (uids) as collected and removes others, atomically (RFC 1939 §6).

        Returns the written `steps`. A letter gets "collected" only once.
        """

    async def octets_in(self, mailbox: str) -> int:
        """Size of a mailbox in octets, headers and contents, from a stored sum."""

    async def sizes(self) -> dict[str, int]:
        """Size of each mailbox in octets, by name."""
