"""POP3 commands: events of the server engine and their grammar (RFC 1939)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct

from mailstack.protocols.log import Redacted


class Pop3User(Struct, frozen=True):
    """USER: the name of a maildrop (RFC 1939 §7)."""

    name: str


class Pop3Pass(Redacted, frozen=True):
    """PASS: all after the first blank is the password (RFC 1939 §7)."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)

    password: str


class Apop(Redacted, frozen=True):
    """APOP: name, and digest of the greeting's timestamp and the password (RFC 1939 §7)."""

    SECRETS: ClassVar[tuple[str, ...]] = ("digest",)

    name: str
    digest: str
    """Digest in lower-case hexadecimal."""


class Pop3Auth(Redacted, frozen=True):
    """AUTH with a mechanism (RFC 5034 §4)."""

    SECRETS: ClassVar[tuple[str, ...]] = ("initial",)

    mechanism: str
    """Mechanism in upper case; may be unsupported."""
    initial: bytes | None = None
    """Decoded initial response; None without one, b"" for `=`."""


class AuthList(Struct, frozen=True):
    """AUTH without argument: list of mechanisms. Older than CAPA, but still in use."""


class Pop3AuthResponse(Redacted, frozen=True):
    """Response to a challenge."""

    SECRETS: ClassVar[tuple[str, ...]] = ("response",)

    response: bytes | None
    """Decoded response; None for `*`, which cancels the exchange (RFC 5034 §4)."""


class Capa(Struct, frozen=True):
    """CAPA (RFC 2449 §5)."""


class Stls(Struct, frozen=True):
    """STLS (RFC 2595 §4)."""


class Utf8(Struct, frozen=True):
    """UTF8: the client supports UTF-8 (RFC 6856 §2). It does not change what is sent."""


class Lang(Struct, frozen=True):
    """LANG: list of languages, or choice of one (RFC 6856 §3)."""

    language: str | None = None
    """Language range in ASCII; None for the list."""


class Stat(Struct, frozen=True):
    """STAT: number of messages, and their octets."""


class List(Struct, frozen=True):
    """LIST: size of one message, or of all."""

    number: int | None = None


class Retr(Struct, frozen=True):
    """RETR: a whole message."""

    number: int


class Top(Struct, frozen=True):
    """TOP: header of a message and first lines of its body (RFC 1939 §7)."""

    number: int
    lines: int


class Dele(Struct, frozen=True):
    """DELE: mark a message, to be deleted by QUIT."""

    number: int


class Pop3Noop(Struct, frozen=True):
    """NOOP."""


class Rset(Struct, frozen=True):
    """RSET: unmark all messages."""


class Uidl(Struct, frozen=True):
    """UIDL: permanent id of one message, or of all (RFC 1939 §7)."""

    number: int | None = None


class Pop3Quit(Struct, frozen=True):
    """QUIT: enters the UPDATE state (RFC 1939 §6)."""


class Pop3Rejected(Struct, frozen=True):
    """A line that is unknown, malformed, out of order or too long. Reply with `-ERR text`."""

    text: str


Login = Pop3User | Pop3Pass | Apop | Pop3Auth | AuthList | Stls | Utf8
Command = Login | Capa | Lang | Stat | List | Retr | Top | Dele | Pop3Noop | Rset | Uidl | Pop3Quit
Pop3Event = Command | Pop3AuthResponse | Pop3Rejected


class GrammarError(Exception):
    """Invalid command line; str() is the reason for the client, without any octet of the line."""


def parse(line: bytes) -> tuple[str, Command]:
    """Parses a line without its CRLF into the verb in upper case and the command. Raises GrammarError."""
    if b"\0" in line or b"\r" in line:
        raise GrammarError("NUL and CR may not stand in a command")
    word, _, argument = line.partition(b" ")
    verb = word.upper().decode("ascii", "replace")
    read = _ARGUMENTS.get(verb)
    if read is None:
        raise GrammarError("unknown command")
    return verb, read(argument)


def parse_response(line: bytes) -> Pop3AuthResponse:
    """Line of the client in an authentication exchange. Raises GrammarError."""
    return Pop3AuthResponse(None if line == b"*" else _decode(line))


def _decode(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise GrammarError("the response is not base64") from None


_DIGITS = 10
"""Maximum digits of a number: more than any maildrop needs, and cheap for `int`."""


def _number(text: bytes, what: str) -> int:
    """RFC 1939 §3: message-numbers are decimal."""
    if not text.isdigit() or len(text) > _DIGITS:
        raise GrammarError(f"{what} is expected")
    return int(text)


def _text(octets: bytes, what: str) -> str:
    if not octets:
        raise GrammarError(f"{what} is missing")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise GrammarError(f"{what} is not UTF-8") from None


def _alone(command: Command) -> Callable[[bytes], Command]:
    def read(argument: bytes) -> Command:
        if argument.strip():
            raise GrammarError("this command takes no argument")
        return command

    return read


def _numbered(command: Callable[[int], Command]) -> Callable[[bytes], Command]:
    return lambda argument: command(_number(argument.strip(), "a message number"))


def _optional(command: Callable[[int | None], Command]) -> Callable[[bytes], Command]:
    def read(argument: bytes) -> Command:
        argument = argument.strip()
        return command(_number(argument, "a message number") if argument else None)

    return read


def _user(argument: bytes) -> Command:
    return Pop3User(_text(argument.strip(), "the user name"))


def _pass(argument: bytes) -> Command:
    return Pop3Pass(_text(argument, "the password"))


_DIGEST = re.compile(rb"[0-9a-f]{32}\Z")


def _apop(argument: bytes) -> Command:
    name, _, digest = argument.strip().rpartition(b" ")
    if not _DIGEST.match(digest):
        raise GrammarError("APOP takes a name and a digest")
    return Apop(_text(name.strip(), "the user name"), digest.decode("ascii"))


def _auth(argument: bytes) -> Command:
    words = argument.split()
    if not words:
        return AuthList()
    if len(words) > 2:
        raise GrammarError("AUTH takes a mechanism and an initial response")
    mechanism = words[0].upper().decode("ascii", "replace")
    if len(words) == 1:
        return Pop3Auth(mechanism)
    return Pop3Auth(mechanism, b"" if words[1] == b"=" else _decode(words[1]))


# RFC 4647 §2.1, and `*` alone.
_LANGUAGE_RANGE = re.compile(rb"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,15}\Z")


def _lang(argument: bytes) -> Command:
    argument = argument.strip()
    if not argument:
        return Lang()
    if not _LANGUAGE_RANGE.fullmatch(argument):
        raise GrammarError("a language tag is expected")
    return Lang(argument.decode("ascii"))


def _top(argument: bytes) -> Command:
    words = argument.split()
    if len(words) != 2:
        raise GrammarError("TOP takes a message number and a number of lines")
    return Top(_number(words[0], "a message number"), _number(words[1], "a number of lines"))


_ARGUMENTS: dict[str, Callable[[bytes], Command]] = {
    "USER": _user,
    "PASS": _pass,
    "APOP": _apop,
    "AUTH": _auth,
    "CAPA": _alone(Capa()),
    "STLS": _alone(Stls()),
    "UTF8": _alone(Utf8()),
    "LANG": _lang,
    "STAT": _alone(Stat()),
    "LIST": _optional(List),
    "RETR": _numbered(Retr),
    "TOP": _top,
    "DELE": _numbered(Dele),
    "NOOP": _alone(Pop3Noop()),
    "RSET": _alone(Rset()),
    "UIDL": _optional(Uidl),
    "QUIT": _alone(Pop3Quit()),
}
"""Readers of the arguments by verb."""
