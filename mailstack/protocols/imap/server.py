"""IMAP server engine: commands, literals, states and limits (RFC 3501, RFC 7888, RFC 9051).

After each event but MessageOctets, the engine is PAUSED until its reply: the tagged response, or `challenge`, `idling`,
`accept_literal` or `refuse_literal`. So replies to pipelined commands keep their order (RFC 3501 §5.5). Untagged responses
are octets of `responses`, and don't change the state.
"""

from __future__ import annotations

import re
from enum import Enum

from mailstack.protocols.connection import NEED_DATA, PAUSED, Signal
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.append_grammar import LITERAL_AT_END, appended_message, is_in_utf8
from mailstack.protocols.imap.command_table import COMMANDS, Grammar, ImapState
from mailstack.protocols.imap.commands import (
    Append,
    AppendEnd,
    AppendNext,
    IdleDone,
    ImapEvent,
    ImapRejected,
    LiteralWanted,
    Logout,
    MessageOctets,
    Replace,
)
from mailstack.protocols.imap.session_grammar import parse_response
from mailstack.protocols.imap.tokenizer import (
    MAX_NUMBER,
    CommandReader,
    ImapGrammarError,
    ImpossibleCommand,
    LiteralMissing,
)
from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong

CHUNK = 65536
"""Maximum octets of a message in one event."""

_TAG = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,64})(?: |\Z)')
_HEAD = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,64}) ([A-Za-z]{1,20})(?= |\Z)')
_WITH_MESSAGE = re.compile(rb"[^ ]+ (?:APPEND|REPLACE|UID REPLACE) ", re.IGNORECASE)


class Expectation(Enum):
    """Kind of the next octets from the client."""

    COMMAND = "command, or its next line after a literal"
    LITERAL = "literal inside a command"
    ANNOUNCED = "message that was not accepted yet"
    MESSAGE = "accepted message"
    AFTER_MESSAGE = "end of APPEND, or its next message"
    RESPONSE = "response to a challenge"
    DONE = "end of IDLE"
    REFUSED = "refused literal"
    AFTER_REFUSED = "rest of a command after a refused literal"
    NOTHING = "nothing: the session is over"


class PartialCommand:
    """Command with a literal, until it is complete."""

    __slots__ = ("grammar", "line_octets", "literal_octets", "octets", "start")

    def __init__(self, grammar: Grammar, start: int) -> None:
        self.grammar = grammar
        self.start = start
        """Offset of the arguments."""
        self.octets = bytearray()
        self.line_octets = 0
        self.literal_octets = 0


class ImapServerEngine:
    """Server side of one connection; its state is `state` with the Expectation."""

    def __init__(
        self,
        *,
        tls: bool = False,
        line_limit: int = 65536,
        literal_limit: int = 65536,
        login_limit: int = 8192,
        discard_limit: int = 67_108_864,
    ) -> None:
        """Limits in octets; `tls` is implicit TLS (RFC 8314 §3).

        `line_limit` is for the lines of one command together, and for a response to a challenge. `literal_limit` is for
        the literals inside one command together; `login_limit` replaces it before login. `discard_limit` is for refused
        non-synchronizing literals of one command; beyond it the rest of the input can't be understood.
        """
        self.tls = tls
        self.state = ImapState.NOT_AUTHENTICATED
        self.utf8 = False
        """Whether UTF8=ACCEPT or IMAP4rev2 is enabled, and names are UTF-8 (RFC 6855 §3)."""
        self._line_limit = line_limit
        self._literal_limit = literal_limit
        self._login_limit = login_limit
        self._discard_limit = discard_limit
        self._lines = LineBuffer()
        self._is_reply_due = True  # the greeting
        self._reset()

    def _reset(self) -> None:
        self._expected = Expectation.COMMAND
        self._tag = "*"
        self._partial: PartialCommand | None = None
        # Announcement of a literal at the end of the last line.
        self._literal: re.Match[bytes] | None = None
        self._left = 0  # octets of the literal
        self._discarded = 0
        self._is_waiting = False  # whether the client waits for a continuation request
        self._is_multiple = False  # whether further messages may follow
        self._closer = b""  # the end of a command after a message

    # --- called by the network

    def receive(self, octets: bytes) -> None:
        if self._expected is not Expectation.NOTHING:
            self._lines.receive(octets)

    @property
    def buffered(self) -> int:
        return len(self._lines)

    def tls_started(self) -> None:
        """Discard input after STARTTLS (RFC 3501 §6.2.1)."""
        self._lines.clear()
        self._reset()
        self.tls = True
        self.state = ImapState.NOT_AUTHENTICATED

    def next_event(self) -> ImapEvent | Signal:
        if self._is_reply_due:
            return PAUSED
        try:
            event = self._command() if self._expected is Expectation.COMMAND else self._continued()
        except ImapGrammarError as error:
            event = self._reject(str(error))
        except ImpossibleCommand as error:
            event = self._reject(str(error), "NO", error.code)
        except BareLF as error:
            self._set_tag(error.line)
            event = self._reject("a line ends in CR LF")
        except LineTooLong as error:
            self._set_tag(error.start)
            event = self._reject("the line is too long", code="TOOBIG", is_fatal=True)
        if event is not NEED_DATA and event.__class__ is not MessageOctets:
            self._is_reply_due = True
        return event

    # --- called by the session

    def logged_in(self) -> None:
        self.state = ImapState.AUTHENTICATED

    def selected(self) -> None:
        self.state = ImapState.SELECTED

    def unselected(self) -> None:
        """Leave the selected state, after CLOSE, UNSELECT or a failed SELECT."""
        self.state = ImapState.AUTHENTICATED

    def enabled(self, extension: str) -> None:
        """Note an extension that the session has enabled (RFC 5161)."""
        if extension.upper() in {"UTF8=ACCEPT", "IMAP4REV2"}:
            self.utf8 = True

    def greeting(self, text: str, code: str = "", *, is_preauth: bool = False) -> bytes:
        """Greeting OK or PREAUTH (RFC 3501 §7.1.4)."""
        self._is_reply_due = False
        if is_preauth:
            self.logged_in()
        return responses.tagged("*", "PREAUTH" if is_preauth else "OK", text, code)

    def tagged(self, tag: str, status: str, text: str, code: str = "") -> bytes:
        """OK, NO or BAD to the last command; an announced or running message is refused with it."""
        self._is_reply_due = False
        self._refuse()
        return responses.tagged(tag, status, text, code)

    def challenge(self, octets: bytes) -> bytes:
        """Challenge to AUTHENTICATE or to a response; the next event is ImapAuthResponse or ImapRejected."""
        self._is_reply_due = False
        self._expected = Expectation.RESPONSE
        return responses.challenge(octets)

    def idling(self) -> bytes:
        """Continuation request of IDLE; the next event is IdleDone or ImapRejected (RFC 2177 §3)."""
        self._is_reply_due = False
        self._expected = Expectation.DONE
        return responses.continuation("idling")

    def accept_literal(self) -> bytes:
        """Reply to LiteralWanted, Append, Replace or AppendNext; empty if the client does not wait for it."""
        self._is_reply_due = False
        if self._expected is Expectation.ANNOUNCED:
            self._expected = Expectation.MESSAGE
        return responses.continuation("OK") if self._is_waiting else b""

    def refuse_literal(self) -> bytes:
        """Refuse the literal or message and the rest of its command; the tagged response follows. Empty octets."""
        self._refuse()
        return b""

    # --- commands

    def _next_line(self, limit: int) -> bytes | None:
        """The next line; notes a literal at its end. Raises ImapGrammarError for NUL and CR."""
        self._literal = None
        try:
            line = self._lines.line(limit)
        except BareLF as error:
            self._literal = LITERAL_AT_END.search(error.line)
            raise
        if line is None:
            return None
        if line.endswith(b"}"):
            self._literal = LITERAL_AT_END.search(line)
        if b"\0" in line or b"\r" in line:
            self._set_tag(line)
            raise ImapGrammarError("a line has a NUL or CR character")
        return line

    def _set_tag(self, line: bytes) -> None:
        """Tag for the rejection of a command's first line."""
        if self._expected is Expectation.COMMAND and self._partial is None:
            tag = _TAG.match(line)
            self._tag = tag[1].decode("ascii") if tag else "*"

    def _command(self) -> ImapEvent | Signal:
        partial = self._partial
        line = self._next_line(self._line_limit - (partial.line_octets if partial else 0))
        if line is None:
            return NEED_DATA
        if partial is None:
            grammar, start = self._head(line)
            if self._literal is not None:
                partial = PartialCommand(grammar, start)
            octets = line
        else:
            grammar, start = partial.grammar, partial.start
            partial.octets += line
            octets = bytes(partial.octets)
        if partial is not None and self._literal is not None:
            return self._announced(partial, line, octets)
        event = self._parsed(grammar, octets, start)
        self._partial = None
        if event.__class__ is Logout:
            self.state = ImapState.LOGOUT
            self._end()
        return event

    def _parsed(self, grammar: Grammar, octets: bytes, start: int) -> ImapEvent:
        reader = CommandReader(octets, start, utf8=self.utf8)
        event = grammar(reader, self._tag)
        if reader.at != len(octets):
            reader.end()
        return event

    def _head(self, line: bytes) -> tuple[Grammar, int]:
        """Grammar and offset of the arguments, of a command that is allowed now."""
        head = _HEAD.match(line)
        if head is None:
            self._set_tag(line)
            raise ImapGrammarError("a tag and a command are expected")
        self._tag = head[1].decode("ascii")
        name = head[2].upper()
        known = COMMANDS.get(name)
        if known is None:
            raise ImapGrammarError("the command is unknown")
        states, grammar = known
        if self.state not in states:
            raise ImapGrammarError(f"{name.decode('ascii')} is not allowed {self.state.value}")
        if self.tls and name == b"STARTTLS":
            raise ImapGrammarError("the connection is under TLS already")
        return grammar, head.end()

    def _announced(self, partial: PartialCommand, line: bytes, octets: bytes) -> ImapEvent | Signal:
        """The literal at the end of a line of a command: a message, or an argument."""
        assert self._literal is not None
        binary, digits, plus = self._literal.groups()
        if _WITH_MESSAGE.match(octets):
            try:
                event = self._parsed(partial.grammar, octets, partial.start)
                assert isinstance(event, Append | Replace)
            except LiteralMissing:
                pass
            else:
                self._partial = None
                self._expect_message(event, line)
                return event
        size = int(digits)
        if binary or size > MAX_NUMBER:
            raise ImapGrammarError("a literal is not allowed here")
        partial.literal_octets += size
        is_login = self.state is ImapState.NOT_AUTHENTICATED
        if partial.literal_octets > (self._login_limit if is_login else self._literal_limit):
            raise ImpossibleCommand("the literal is too long", "TOOBIG")
        partial.line_octets += len(line) + 2
        if self._partial is None:
            partial.octets += line
            self._partial = partial
        partial.octets += b"\r\n"
        self._expected, self._left, self._is_waiting = Expectation.LITERAL, size, not plus
        return self._continued() if plus else LiteralWanted(self._tag, size)

    def _expect_message(self, event: Append | Replace | AppendNext, line: bytes) -> None:
        self._expected = Expectation.ANNOUNCED
        self._left = event.message.size
        self._is_waiting = event.message.is_waiting
        self._is_multiple = not isinstance(event, Replace)
        self._closer = b")" if is_in_utf8(line) else b""

    # --- what follows the first line of a command

    def _continued(self) -> ImapEvent | Signal:
        event: ImapEvent | Signal | None = None
        while event is None:
            match self._expected:
                case Expectation.COMMAND:
                    event = self._command()
                case Expectation.LITERAL:
                    event = self._read_literal()
                case Expectation.MESSAGE:
                    event = self._read_message()
                case Expectation.AFTER_MESSAGE:
                    event = self._read_after_message()
                case Expectation.RESPONSE | Expectation.DONE:
                    event = self._read_line()
                case Expectation.REFUSED | Expectation.AFTER_REFUSED:
                    event = self._discard()
                case _:
                    return NEED_DATA
        return event

    def _read_literal(self) -> Signal | None:
        assert self._partial is not None
        octets = self._lines.read(self._left)
        self._partial.octets += octets
        self._left -= len(octets)
        if self._left:
            return NEED_DATA
        self._expected = Expectation.COMMAND
        return None

    def _read_message(self) -> ImapEvent | Signal | None:
        if not self._left:
            self._expected = Expectation.AFTER_MESSAGE
            return None
        octets = self._lines.read(min(self._left, CHUNK))
        self._left -= len(octets)
        return MessageOctets(octets) if octets else NEED_DATA

    def _read_after_message(self) -> ImapEvent | Signal:
        line = self._next_line(self._line_limit)
        if line is None:
            return NEED_DATA
        if not line.startswith(self._closer):
            raise ImapGrammarError("a parenthesis after the message is missing")
        rest = line[len(self._closer) :]
        if not rest.strip(b" "):
            self._expected = Expectation.COMMAND
            return AppendEnd()
        if not self._is_multiple or self._literal is None:
            raise ImapGrammarError("the end of the command is expected")
        event = AppendNext(appended_message(CommandReader(rest)))
        self._expect_message(event, rest)
        return event

    def _read_line(self) -> ImapEvent | Signal:
        """Response to a challenge, or DONE."""
        line = self._next_line(self._line_limit)
        if line is None:
            return NEED_DATA
        is_idle = self._expected is Expectation.DONE
        self._expected = Expectation.COMMAND
        if not is_idle:
            return parse_response(line)
        if line.upper() != b"DONE":
            raise ImapGrammarError("DONE is expected")
        return IdleDone()

    # --- refusals

    def _reject(self, text: str, status: str = "BAD", code: str = "", *, is_fatal: bool = False) -> ImapRejected:
        """Rejection of the command; a literal that follows unasked is discarded."""
        self._partial = None
        self._expected = Expectation.COMMAND
        literal = self._literal
        if literal is not None and literal[3] and not self._start_discard(int(literal[2])):
            is_fatal, code = True, "TOOBIG"
        if is_fatal:
            self._end()
        return ImapRejected(self._tag, text, is_fatal, code, status)

    def _refuse(self) -> None:
        """Leave the present command, whose reply is known."""
        if self._expected in {Expectation.NOTHING, Expectation.REFUSED, Expectation.AFTER_REFUSED}:
            return
        announced = self._expected in {Expectation.ANNOUNCED, Expectation.LITERAL}
        if self._expected is Expectation.MESSAGE or (announced and not self._is_waiting):
            self._start_discard(self._left)
        elif self._expected is Expectation.AFTER_MESSAGE:
            self._expected = Expectation.AFTER_REFUSED
        else:
            self._expected = Expectation.COMMAND
        self._partial = None

    def _start_discard(self, size: int) -> bool:
        """Discard a literal and the rest of its command; whether the limit permits that."""
        if self._expected is not Expectation.AFTER_REFUSED:
            self._discarded = 0
        self._discarded += size
        self._left = size
        self._expected = Expectation.REFUSED
        return self._discarded <= self._discard_limit

    def _discard(self) -> ImapEvent | Signal | None:
        if self._discarded > self._discard_limit:
            self._literal = None
            return self._reject("the refused literal is too long", code="TOOBIG", is_fatal=True)
        if self._expected is Expectation.REFUSED:
            self._left -= len(self._lines.read(self._left))
            if self._left:
                return NEED_DATA
            self._expected = Expectation.AFTER_REFUSED
        try:
            line = self._lines.line(self._line_limit)
        except BareLF as error:
            line = error.line
        if line is None:
            return NEED_DATA
        literal = LITERAL_AT_END.search(line)
        if literal is not None and literal[3]:
            self._start_discard(int(literal[2]))
        else:
            self._expected = Expectation.COMMAND
        return None

    def _end(self) -> None:
        self._expected = Expectation.NOTHING
        self._lines.clear()
