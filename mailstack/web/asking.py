"""What a page is asked, and what it answers: values, whatever carries them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct, field


class Ask(Struct, frozen=True):
    """One request, its size bounded, everything in it still hostile."""

    method: str
    path: str
    """Percent-decoded, without the query."""
    host: str
    """As the Host field says it: in lower case, without port, brackets and final dot."""
    query: Mapping[str, str] = field(default_factory=dict)
    """The first value of each name."""
    body: bytes = b""


class Answer(Struct, frozen=True):
    """What a page says."""

    body: bytes
    media_type: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Page = Callable[[Ask], Awaitable[Answer]]


class Trouble(Exception):
    """Ends a page; the client gets the status and the line, which says what is wrong and what to do."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


def plain(text: str, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """A line or more for whoever reads it."""
    return Answer(f"{text}\n".encode(), "text/plain; charset=utf-8", status, headers)
