"""Sender authentication with DKIM, SPF, DMARC and ARC: signatures and verification.

Lookups and threads are passed in by the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

SIGNED = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding", "list-id", "list-unsubscribe", "list-unsubscribe-post",
)  # fmt: skip
"""Header fields that are signed if present (RFC 6376 §5.4.1)."""
OVERSIGNED = ("from", "to", "cc", "subject", "date", "reply-to", "content-type")
"""Header fields that are listed once more than they occur, so that an added one breaks the signature (§8.15)."""

Fields = Sequence[tuple[bytes, bytes]]
"""Name in lower case and octets of each field of a header section, from the top (`mailstack.letter.header.fields`)."""


class InThread(Protocol):
    """Runs work in a thread, so that a large letter delays no session."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Result or exception of the work."""


class Gather(Protocol):
    """Runs coroutines side by side, so that a slow answer of the DNS delays no other one."""

    def __call__(self, work: Iterable[Coroutine[Any, Any, Any]], /) -> Awaitable[list[Any]]:
        """The results in the order of the coroutines; the first exception when there is one."""


class Texts(Protocol):
    """Lookup of TXT records; `mailstack.policy.dns_checks.Lookups` has the other types."""

    async def texts(self, name: str) -> tuple[str, ...] | None:
        """The TXT records of a name, each with its strings joined; None without an answer in time."""
