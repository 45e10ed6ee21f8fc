"""Enhanced status code (RFC 3463), and the outcome of one attempt for a recipient."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

_SYNTAX = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")


class Status(Struct, frozen=True):
    """RFC 3463 §2: `class "." subject "." detail`."""

    kind: int
    """2 success, 4 persistent transient failure, 5 permanent failure."""
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.subject}.{self.detail}"

    @classmethod
    def parse(cls, text: str) -> Status:
        """The status that `text` begins with; raises ValueError when it begins with none."""
        found = _SYNTAX.match(text)
        if found is None:
            raise ValueError(f"not an enhanced status code: {text[:20]!r}")
        return _status(found[1], found[2], found[3])


@lru_cache(maxsize=1024)  # the same few all day
def _status(kind: str, subject: str, detail: str) -> Status:
    return Status(int(kind), int(subject), int(detail))


class Delivered(Struct, frozen=True):
    """Delivered to a mailbox here, or to the host that replied 250."""

    status: Status = Status(2, 0, 0)
    text: str = ""
    """The other host's reply, or what was done here; hostile text when it came over the wire."""
    host: str = ""
    """The host that took it; empty for a mailbox of ours."""
    mailbox: str | None = None
    """The key of the mailbox of ours that it rests in; the queue puts it there when it settles the outcome."""
    headers: bytes = b""
    """The trace fields that final delivery puts above the letter there (RFC 5321 §4.4)."""
    deliver_by: bool = False
    """Whether that host minds the time by itself, because it offers DELIVERBY (RFC 2852 §4.1.4)."""
    dsn: bool = False
    """Whether that host reports to the sender by itself, because it offers DSN (RFC 3461 §5.2.1)."""


class Deferred(Struct, frozen=True):
    """Not now; the letter stays in the queue (RFC 5321 §4.2.1: 4yz)."""

    status: Status
    text: str
    host: str = ""


class Failed(Struct, frozen=True):
    """Never; the sender is told (RFC 5321 §4.2.1: 5yz, §6.1)."""

    status: Status
    text: str
    host: str = ""


Outcome = Delivered | Deferred | Failed
