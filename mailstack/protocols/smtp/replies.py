"""Replies: values, refusals and their octets (RFC 5321 §4.2, RFC 2034)."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from mailstack.letter.status import Status

MAX_LINE = 512
"""Octets of a reply line with its CRLF (RFC 5321 §4.5.3.1.5)."""

_ROOM = MAX_LINE - len("250-5.123.123 \r\n")


class Reply(Struct, frozen=True, cache_hash=True):
    """A reply as a value; the engine writes it in octets."""

    code: int
    text: str
    """Lines are parted by "\\n". Never holds what a peer sent unless cut and cleaned."""
    status: Status | None = None
    """Written before the text where ENHANCEDSTATUSCODES applies (RFC 2034 §4); its class equals the code's."""
    closes: bool = False
    """The connection ends after this reply (221, 421, 521)."""

    @property
    def positive(self) -> bool:
        return self.code < 400

    def __str__(self) -> str:
        status = f"{self.status} " if self.status else ""
        return f"{self.code} {status}{self.text}".replace("\n", " / ")


class EachReply(Reply, frozen=True, cache_hash=True):
    """LMTP's answers to one content (RFC 2033 §4.2); code and text are those of the best of them."""

    each: tuple[Reply, ...] = ()
    """Replies for the accepted recipients, in their order."""


class Refusal(Exception):
    """The exception that carries a reply outward; the private reason stays in the log."""

    def __init__(self, reply: Reply, reason: str = "") -> None:
        super().__init__(reply, reason)
        self.reply = reply
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reply} ({self.reason})" if self.reason else str(self.reply)


def reply(code: int, status: str | None, text: str, *, closes: bool = False) -> Reply:
    """Short for Reply, with the status as text: `reply(550, "5.1.1", "no such mailbox")`."""
    return Reply(code, text, Status.parse(status) if status else None, closes)


@lru_cache(maxsize=256)  # most replies are constants
def render(answer: Reply, *, enhanced: bool) -> bytes:
    """A reply in octets (RFC 5321 §4.2): each line at most MAX_LINE, printable ASCII only.

    With `enhanced`, every line of a 2xx, 4xx or 5xx reply has its enhanced status code (RFC 2034 §4); a reply without
    one, or with one of another class, gets "other or undefined" (RFC 3463 §3.1).
    """
    code, text, prefix = answer.code, answer.text, ""
    if enhanced and code // 100 != 3:
        status = answer.status
        prefix = f"{status} " if status is not None and status.kind == code // 100 else f"{code // 100}.0.0 "
    if len(text) <= _ROOM and text.isascii() and text.isprintable():
        return f"{code} {prefix}{text}\r\n".encode("ascii")
    lines = [clean(line)[:_ROOM] for line in text.split("\n")]
    last = lines.pop()
    return "".join([*(f"{code}-{prefix}{line}\r\n" for line in lines), f"{code} {prefix}{last}\r\n"]).encode("ascii")


def clean(text: str) -> str:
    """`text` with a question mark for everything but printable ASCII: safe in a reply, a log and a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if " " <= character <= "~" else "?" for character in text)
