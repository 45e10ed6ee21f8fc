"""Replies: values, standard texts, refusals and their octets (RFC 5321 §4.2, RFC 2034)."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from mailstack.letter import Letter
from mailstack.letter.status import Status

MAX_LINE = 512
"""Octets of a reply line with its CRLF (RFC 5321 §4.5.3.1.5)."""

_MAX_TEXT = MAX_LINE - len("250-5.123.123 \r\n")


class Reply(Struct, frozen=True, cache_hash=True):
    """A reply as a value; the engine writes it in octets."""

    code: int
    text: str
    """Lines separated by "\\n". Text of a peer is truncated and cleaned before."""
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
    """LMTP replies to one content (RFC 2033 §4.2); code and text are from the best reply."""

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
    """Reply with the status as text: `reply(550, "5.1.1", "no such mailbox")`."""
    return Reply(code, text, Status.parse(status) if status else None, closes)


@lru_cache(maxsize=256)  # most replies are constants
def render(answer: Reply, *, enhanced: bool) -> bytes:
    """A reply in octets (RFC 5321 §4.2): each line at most MAX_LINE, printable ASCII only.

    `enhanced` adds the enhanced status code to every line of a 2xx, 4xx or 5xx reply (RFC 2034 §4). A reply without one,
    or with one of another class, gets "other or undefined" (RFC 3463 §3.1).
    """
    code, text, prefix = answer.code, answer.text, ""
    if enhanced and code // 100 != 3:
        status = answer.status
        prefix = f"{status} " if status is not None and status.kind == code // 100 else f"{code // 100}.0.0 "
    if len(text) <= _MAX_TEXT and text.isascii() and text.isprintable():
        return f"{code} {prefix}{text}\r\n".encode("ascii")
    lines = [clean(line)[:_MAX_TEXT] for line in text.split("\n")]
    last = lines.pop()
    return "".join([*(f"{code}-{prefix}{line}\r\n" for line in lines), f"{code} {prefix}{last}\r\n"]).encode("ascii")


def clean(text: str) -> str:
    """`text` with a question mark for everything but printable ASCII: safe in a reply, a log and a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if " " <= character <= "~" else "?" for character in text)


ACCEPTED = Status(2, 0, 0)
OK = Reply(250, "OK", ACCEPTED)
SENDER_OK = reply(250, "2.1.0", "sender OK")
RECIPIENT_OK = reply(250, "2.1.5", "recipient OK")
START_DATA = reply(354, None, "end data with <CR><LF>.<CR><LF>")
GOODBYE = reply(221, "2.0.0", "goodbye", closes=True)
TLS_GO_AHEAD = reply(220, "2.0.0", "ready to start TLS")
NO_TLS = reply(454, "4.7.0", "TLS is not available here")
CANNOT_VERIFY = reply(252, "2.5.0", "cannot VRFY user, but will accept message and attempt delivery")
NO_EXPANSION = reply(502, "5.5.1", "lists are not expanded here")
TLS_FIRST = reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTHENTICATED = reply(235, "2.7.0", "authentication successful")
BAD_CREDENTIALS = reply(535, "5.7.8", "authentication credentials invalid")
AUTH_UNAVAILABLE = reply(454, "4.7.0", "temporary authentication failure, try again later")
AUTH_CANCELLED = reply(501, "5.7.0", "authentication cancelled")
AUTH_MALFORMED = reply(501, "5.5.2", "the response does not follow the mechanism's grammar")
TOO_MANY_RECIPIENTS = reply(452, "4.5.3", "too many recipients; send the rest in another transaction")
CHUNK_OK = reply(250, "2.0.0", "chunk OK")
TOO_MANY_LETTERS = reply(452, "4.5.3", "too many messages in one session; send the rest in another one")
TOO_MANY_ERRORS = reply(421, "4.7.0", "too many errors, closing", closes=True)
TOO_MANY_GUESSES = reply(421, "4.7.0", "too many failed logins, closing", closes=True)
LOGGED_OUT = reply(421, "4.7.0", "login is no longer valid, closing connection", closes=True)
SPOKE_EARLY = reply(554, "5.5.0", "client sent commands before the greeting")
LOCAL_ERROR = reply(451, "4.3.0", "local error in processing; nothing was lost, try again later")

# Replies of the engine itself.
NO_COMMAND = reply(500, "5.5.2", "a command is needed")
UNKNOWN_COMMAND = reply(500, "5.5.2", "unknown command")
NOT_IMPLEMENTED = reply(502, "5.5.1", "command not implemented")
UNPRINTABLE = reply(500, "5.5.2", "a command is printable ASCII, ended by CRLF")
BARE_NEWLINE = reply(500, "5.5.2", "bare <CR> or <LF> received, closing", closes=True)
TOO_LONG = reply(500, "5.5.2", "the command line is too long")
AUTH_TOO_LONG = reply(500, "5.5.6", "the authentication exchange line is too long")
NO_WEB_SERVER = reply(421, "4.7.0", "this is a mail server, goodbye", closes=True)


def queued_as(letter: Letter) -> Reply:
    """The reply after the durable acceptance of a letter."""
    return Reply(250, f"OK, queued as {letter.id}", ACCEPTED)
