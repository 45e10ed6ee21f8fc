"""POP3 server engine and its responses (RFC 1939, RFC 2449, RFC 3206, RFC 6856).

After each event the engine is PAUSED until the reply by `ok`, `err`, `listing`, `whole`, `challenge`, or by `start`,
`feed` … `finish`. So replies to pipelined commands keep their order (RFC 2449 §6.6).
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Sequence
from enum import Enum, StrEnum

from mailstack.protocols.connection import NEED_DATA, PAUSED, Signal
from mailstack.protocols.line_buffer import BareLF, DotStuffer, LineBuffer, LineTooLong
from mailstack.protocols.pop3.commands import (
    GrammarError,
    Pop3Event,
    Pop3Pass,
    Pop3Rejected,
    Pop3User,
    parse,
    parse_response,
)


class Pop3State(Enum):
    """State of a session (RFC 1939 §3); no command is possible in UPDATE."""

    AUTHORIZATION = "before login"
    NAMED = "before PASS"
    TRANSACTION = "after login"


# Tuples, because the hash of an Enum is slow.
_BEFORE = (Pop3State.AUTHORIZATION, Pop3State.NAMED)
_AFTER = (Pop3State.TRANSACTION,)

_ORDER: dict[str, tuple[Pop3State, ...]] = {
    "USER": _BEFORE,
    # RFC 1939 §7 requires PASS right after USER; a CAPA between them is harmless.
    "PASS": (Pop3State.NAMED,),
    "APOP": _BEFORE,
    "AUTH": _BEFORE,
    "STLS": _BEFORE,
    "UTF8": _BEFORE,
    "LANG": _BEFORE + _AFTER,
    "STAT": _AFTER,
    "LIST": _AFTER,
    "RETR": _AFTER,
    "TOP": _AFTER,
    "DELE": _AFTER,
    "NOOP": _AFTER,
    "RSET": _AFTER,
    "UIDL": _AFTER,
    "CAPA": _BEFORE + _AFTER,
    "QUIT": _BEFORE + _AFTER,
}
"""States in which each command is allowed."""

_SECRET = frozenset({"USER", "PASS", "APOP", "AUTH"})
"""Commands with a password, and commands before one."""


class Pop3ServerEngine:
    """Server side of one connection."""

    def __init__(
        self,
        *,
        tls: bool = False,
        require_tls: bool = True,
        mechanisms: Sequence[str] = ("PLAIN", "LOGIN"),
        implementation: str = "mailstack",
        login_delay: int = 0,
        command_limit: int = 1024,
        response_limit: int = 12288,
    ) -> None:
        """`tls` is implicit TLS (RFC 8314 §3); `require_tls` refuses passwords in the clear.

        `command_limit` is in octets with CRLF: 255 in RFC 2449 §4, but passwords and initial responses are longer.
        `response_limit` is that of a line in an authentication exchange (RFC 4954 §4: 12,288).
        """
        self.tls = tls
        self.state = Pop3State.AUTHORIZATION
        self._require_tls = require_tls
        self.mechanisms = tuple(mechanisms)
        """SASL mechanisms of AUTH; the session updates them with the state of TLS."""
        self.apop = False
        """Whether the greeting has a timestamp for APOP."""
        self._implementation = implementation
        self._login_delay = login_delay
        self._command_limit = command_limit
        self._response_limit = response_limit
        self._lines = LineBuffer()
        self._reply_pending = True  # the greeting
        self._challenged = False
        self._stuffer: DotStuffer | None = None

    # --- called by the network

    def receive(self, octets: bytes) -> None:
        self._lines.receive(octets)

    @property
    def buffered(self) -> int:
        return len(self._lines)

    def next_event(self) -> Pop3Event | Signal:
        if self._reply_pending:
            return PAUSED
        try:
            line = self._lines.line(self._line_limit())
            if line is None:
                return NEED_DATA
            event: Pop3Event = parse_response(line) if self._challenged else self._command(line)
        except GrammarError as error:
            event = Pop3Rejected(str(error))
        except LineTooLong:
            event = Pop3Rejected("the line is too long")
        except BareLF:
            event = Pop3Rejected("a line ends in CR LF")
        self._reply_pending = True
        self._challenged = False
        return event

    def tls_started(self) -> None:
        """Discard the user name and input after STLS (RFC 2595 §4)."""
        self._lines.clear()
        self.tls = True
        self.state = Pop3State.AUTHORIZATION

    # --- called by the session

    @property
    def password_allowed(self) -> bool:
        """Whether a password may be sent as the connection is now (RFC 2595 §2.2, RFC 8314 §4)."""
        return self.tls or not self._require_tls

    def capabilities(self, *, stls: bool) -> list[str]:
        """Lines of CAPA (RFC 2449 §5, §6); `stls` is whether TLS can be started."""
        lines = ["TOP", "UIDL"]
        if self.password_allowed:
            lines.append("USER")
            if self.mechanisms:
                lines.append(" ".join(("SASL", *self.mechanisms)))
        if stls and not self.tls and self.state in _BEFORE:
            lines.append("STLS")
        # UTF8 USER permits names and passwords in UTF-8; it needs a permitted password.
        lines += ["UTF8 USER" if self.password_allowed else "UTF8", "LANG"]
        lines += ["RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", f"LOGIN-DELAY {self._login_delay}"]
        if self.state is Pop3State.TRANSACTION:
            # RFC 2449 §6.9 allows it before login too, where it would help to find vulnerable versions.
            lines.append(f"IMPLEMENTATION {self._implementation}")
        return lines

    def logged_in(self) -> None:
        """Enter the TRANSACTION state."""
        self.state = Pop3State.TRANSACTION

    def ok(self, text: str = "") -> bytes:
        """`+OK` to the last event, or as greeting."""
        self._reply_pending = False
        return ok(text)

    def err(self, text: str, code: Code | None = None) -> bytes:
        """`-ERR` to the last event, also in place of a multi-line response that was not sent yet."""
        self._reply_pending = False
        self._stuffer = None
        return err(text, code)

    def challenge(self, octets: bytes) -> bytes:
        """A challenge to AUTH or to a response; the next event is a Pop3AuthResponse (RFC 5034 §4)."""
        self._reply_pending = False
        self._challenged = True
        return challenge(octets)

    def listing(self, text: str, lines: Iterable[str]) -> bytes:
        """A complete multi-line response of ASCII lines."""
        return self.whole(text, "".join([f"{line}\r\n" for line in lines]).encode("ascii"))

    def whole(self, text: str, octets: bytes) -> bytes:
        """A complete multi-line response (RFC 1939 §3), dot-stuffed."""
        self._reply_pending = False
        stuffer = DotStuffer()
        return ok(text) + stuffer.feed(octets) + stuffer.finish()

    def start(self, text: str) -> bytes:
        """The first line of a multi-line response, which ends with `finish`."""
        self._stuffer = DotStuffer()
        return ok(text)

    def feed(self, octets: bytes) -> bytes:
        """The next octets of a multi-line response, cut anywhere, dot-stuffed."""
        assert self._stuffer is not None, "no multi-line response was started"
        return self._stuffer.feed(octets)

    def finish(self) -> bytes:
        """The end of a multi-line response."""
        assert self._stuffer is not None, "no multi-line response was started"
        stuffer, self._stuffer = self._stuffer, None
        self._reply_pending = False
        return stuffer.finish()

    # --- inside

    def _line_limit(self) -> int:
        """Maximum octets of the next line; before login a command may have a long initial response."""
        return self._response_limit if self._challenged or self.state in _BEFORE else self._command_limit

    def _command(self, line: bytes) -> Pop3Event:
        """The command of a line, if it is in order. Raises GrammarError."""
        verb, command = parse(line)
        if len(line) + 2 > self._command_limit and verb != "AUTH":
            raise GrammarError("the line is too long")
        if self.state not in _ORDER[verb]:
            if verb == "PASS" and self.state is Pop3State.AUTHORIZATION:
                raise GrammarError("USER comes before PASS")
            raise GrammarError(f"{verb} is not allowed {self.state.value}")
        if self.state is Pop3State.TRANSACTION:
            return command  # the checks below are for login commands
        if verb == "APOP" and not self.apop:
            raise GrammarError("APOP is not offered here")
        if verb in _SECRET and not self.password_allowed:
            raise GrammarError("a password is accepted under TLS only: send STLS first")
        if verb == "STLS" and self.tls:
            raise GrammarError("the connection is under TLS already")
        if isinstance(command, Pop3User):
            self.state = Pop3State.NAMED
        elif isinstance(command, Pop3Pass):
            self.state = Pop3State.AUTHORIZATION
        return command


MAX_LINE = 512
"""Octets of a response's first line with its CRLF (RFC 2449 §4)."""

LANGUAGES = {"en": "English", "i-default": "English, the default"}
"""Names of the languages by tag, for LANG. All texts are ASCII, so none needs the UTF8 command."""

DEFAULT = "i-default"


class Code(StrEnum):
    """Reason of a refused command, for programs."""

    AUTH = "AUTH"
    """Wrong user name or password (RFC 3206 §5)."""
    IN_USE = "IN-USE"
    """Another session has locked the maildrop (RFC 2449 §8.1.2)."""
    LOGIN_DELAY = "LOGIN-DELAY"
    """The user logged in a moment ago (RFC 2449 §8.1.1)."""
    SYS_TEMP = "SYS/TEMP"
    """Temporary failure of the server (RFC 3206 §4)."""
    SYS_PERM = "SYS/PERM"
    """Failure of the server that needs its operator (RFC 3206 §4)."""


def ok(text: str) -> bytes:
    """A positive status line."""
    return _line(f"+OK {text}" if text else "+OK")


def err(text: str, code: Code | None = None) -> bytes:
    """A negative status line."""
    return _line(f"-ERR [{code}] {text}" if code else f"-ERR {text}")


def challenge(octets: bytes) -> bytes:
    """Challenge of an authentication exchange: `+ ` and base64, which may be empty (RFC 5034 §4)."""
    return b"+ " + binascii.b2a_base64(octets)[:-1] + b"\r\n"


def _line(text: str) -> bytes:
    """One line of printable ASCII within MAX_LINE, for any text."""
    octets = text[: MAX_LINE - 2].encode("ascii", "replace")
    return (octets if text.isprintable() else bytes([o if 32 <= o < 127 else 63 for o in octets])) + b"\r\n"


def choose_language(language_range: str) -> str | None:
    """Tag of a language range by lookup (RFC 4647 §3.4); None without one. `*` is the default."""
    if language_range == "*":
        return DEFAULT
    subtags = language_range.lower().split("-")
    while subtags:
        tag = "-".join(subtags)
        if tag in LANGUAGES:
            return tag
        subtags.pop()
        # A single-letter subtag has no meaning without the next one.
        if subtags and len(subtags[-1]) == 1:
            subtags.pop()
    return None
