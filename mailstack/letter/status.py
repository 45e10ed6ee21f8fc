"""Enhanced status code (RFC 3463), and the outcome of one attempt for a recipient."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

_SYNTAX = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")


class Status(Struct, frozen=True):
    """Enhanced status code: `class "." subject "." detail` (RFC 3463 §2)."""

    kind: int
    """2 success, 4 persistent transient failure, 5 permanent failure."""
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.subject}.{self.detail}"

    @classmethod
    def parse(cls, text: str) -> Status:
        """Status at the start of `text`; raises ValueError without one."""
        match = _SYNTAX.match(text)
        if match is None:
            raise ValueError(f"not an enhanced status code: {text[:20]!r}")
        return _status(match[1], match[2], match[3])


@lru_cache(maxsize=1024)  # few distinct ones
def _status(kind: str, subject: str, detail: str) -> Status:
    return Status(int(kind), int(subject), int(detail))


class Delivered(Struct, frozen=True):
    """Success: delivered to a local mailbox, or accepted by a host with 250."""

    status: Status = Status(2, 0, 0)
    text: str = ""
    """Reply of the host (hostile text), or the local result."""
    host: str = ""
    """Accepting host; "" for a local mailbox."""
    mailbox: str | None = None
    """Key of the local mailbox, to which the queue adds the letter when it settles the outcome."""
    headers: bytes = b""
    """Trace fields of final delivery, above the letter (RFC 5321 §4.4)."""
    folder: str = ""
    """Path of the folder that the address names; "" for INBOX."""
    folder_mailbox: str = ""
    """Name of the folder's mailbox in the store. If it is gone by then, the letter enters INBOX."""
    deliver_by: bool = False
    """Whether the host enforces the time limit, because it offers DELIVERBY (RFC 2852 §4.1.4)."""
    dsn: bool = False
    """Whether the host sends the reports, because it offers DSN (RFC 3461 §5.2.1)."""


class Deferred(Struct, frozen=True):
    """Temporary failure; the letter stays in the queue (RFC 5321 §4.2.1: 4yz)."""

    status: Status
    text: str
    host: str = ""


class Failed(Struct, frozen=True):
    """Permanent failure, reported to the sender (RFC 5321 §4.2.1: 5yz, §6.1)."""

    status: Status
    text: str
    host: str = ""


Outcome = Delivered | Deferred | Failed
