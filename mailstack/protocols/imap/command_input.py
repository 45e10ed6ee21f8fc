"""Input of the IMAP server: commands and their literals (RFC 3501 §4)."""

from __future__ import annotations

import re
from enum import Enum

from mailstack.protocols.connection import NEED_DATA, Signal
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
from mailstack.protocols.imap.input_limits import CHUNK, MAX_LITERALS, InputLimits
from mailstack.protocols.imap.literals import PartialCommand, RefusedLiterals
from mailstack.protocols.imap.session_grammar import parse_response
from mailstack.protocols.imap.tokenizer import (
    MAX_NUMBER,
    CommandReader,
    ImapGrammarError,
    ImpossibleCommand,
    LiteralMissing,
)
from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong

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
    REFUSED = "rest of a refused command"
    NOTHING = "nothing: the session is over"


class CommandInput:
    """Octets of one client, consumed as events. Its states are the Expectations."""

    def __init__(self, limits: InputLimits, *, tls: bool) -> None:
        self.commands = COMMANDS
        self.state = ImapState.NOT_AUTHENTICATED
        self.tls = tls
        self.utf8 = False
        self.expected = Expectation.COMMAND
        self._limits = limits
        self._lines = LineBuffer()
        self._refused = RefusedLiterals(limits.discarded)
        self._tag = "*"
        self._partial: PartialCommand | None = None
        # Announcement of a literal at the end of the last line.
        self._literal: re.Match[bytes] | None = None
        self._left = 0  # octets of the literal
        self._is_waiting = False  # whether the client waits for a continuation request
        self._is_multiple = False  # whether further messages may follow
        self._closer = b""  # the end of a command after a message

    def receive(self, octets: bytes) -> None:
        if self.expected is not Expectation.NOTHING:
            self._lines.receive(octets)

    @property
    def buffered(self) -> int:
        return len(self._lines)

    def tls_started(self) -> None:
        """Discard all input, and return to the first state."""
        self.discard_received()
        self.state = ImapState.NOT_AUTHENTICATED
        self.tls = True
        self.expected = Expectation.COMMAND
        self._partial = None

    def discard_received(self) -> None:
        self._lines.clear()

    def accept(self) -> bool:
        """Accept the announced literal; whether the client waits for a continuation request."""
        if self.expected is Expectation.ANNOUNCED:
            self.expected = Expectation.MESSAGE
        return self._is_waiting

    def refuse(self) -> None:
        """Leave the present command, which gets its tagged response; discard what the client sends of it unasked."""
        expected = self.expected
        # Tuples, because the hash of an Enum is slow.
        if expected in (Expectation.COMMAND, Expectation.NOTHING, Expectation.REFUSED):
            return
        self._partial = None
        is_announced = expected in (Expectation.ANNOUNCED, Expectation.LITERAL)
        if expected in (Expectation.MESSAGE, Expectation.AFTER_MESSAGE) or (is_announced and not self._is_waiting):
            self._refused.start(0 if expected is Expectation.AFTER_MESSAGE else self._left)
            self.expected = Expectation.REFUSED
        else:
            self.expected = Expectation.COMMAND

    def next_event(self) -> ImapEvent | Signal:
        """The next event, or NEED_DATA."""
        try:
            event: ImapEvent | Signal | None = None
            while event is None:
                event = self._command() if self.expected is Expectation.COMMAND else self._continued()
        except ImapGrammarError as error:
            return self._reject(str(error))
        except ImpossibleCommand as error:
            return self._reject(str(error), "NO", error.code)
        except BareLF as error:
            self._set_tag(error.line)
            return self._reject("a line ends in CR LF")
        except LineTooLong as error:
            self._set_tag(error.start)
            return self._reject("the line is too long", code="TOOBIG", is_fatal=True)
        return event

    # --- commands

    def _next_line(self, limit: int) -> bytes | None:
        """The next line; notes a literal at its end. Raises ImapGrammarError for NUL and CR."""
        self._literal = None
        try:
            line = self._lines.line(limit, bare_lf=self._limits.bare_lf)
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
        if self.expected is Expectation.COMMAND and self._partial is None:
            tag = _TAG.match(line)
            self._tag = tag[1].decode("ascii") if tag else "*"

    def _command(self) -> ImapEvent | Signal | None:
        """The event of a complete command, or of its next line; None when a literal follows unasked."""
        partial = self._partial
        line = self._next_line(self._limits.lines - (partial.line_octets if partial else 0))
        if line is None:
            return NEED_DATA
        if partial is None:
            grammar, start = self._head(line)
            if self._literal is not None:
                return self._announced(
                    PartialCommand(grammar, start, has_message=bool(_WITH_MESSAGE.match(line))), line
                )
            event = self._parsed(grammar, line, start)
        elif self._literal is not None:
            return self._announced(partial, line)
        else:
            event = self._parsed(partial.grammar, bytes(partial.octets + line), partial.start)
            self._partial = None
        if event.__class__ is Logout:
            self.state = ImapState.LOGOUT
            self.end()
        return event

    def _head(self, line: bytes) -> tuple[Grammar, int]:
        """Grammar and offset of the arguments, of a command that is allowed now."""
        head = _HEAD.match(line)
        if head is None:
            self._set_tag(line)
            raise ImapGrammarError("a tag and a command are expected")
        self._tag = head[1].decode("ascii")
        name = head[2].upper()
        known = self.commands.get(name)
        if known is None:
            raise ImapGrammarError("the command is unknown")
        states, grammar = known
        if self.state not in states:
            raise ImapGrammarError(f"{name.decode('ascii')} is not allowed {self.state.value}")
        if self.tls and name == b"STARTTLS":
            raise ImapGrammarError("the connection is under TLS already")
        return grammar, head.end()

    def _parsed(self, grammar: Grammar, octets: bytes, start: int) -> ImapEvent:
        reader = CommandReader(octets, start, utf8=self.utf8)
        event = grammar(reader, self._tag)
        if reader.at != len(octets):
            reader.end()
        return event

    def _announced(self, partial: PartialCommand, line: bytes) -> ImapEvent | None:
        """The literal at the end of a line of a command: a message, or an argument."""
        assert self._literal is not None
        binary, digits, plus = self._literal.groups()
        if partial.has_message:
            try:
                event = self._parsed(partial.grammar, bytes(partial.octets + line), partial.start)
                assert isinstance(event, Append | Replace)
            except LiteralMissing:
                pass  # the folder is the literal
            else:
                return self._message(event, line)
        size = int(digits)
        if binary or size > MAX_NUMBER:
            raise ImapGrammarError("a literal is not allowed here")
        partial.literals += 1
        if partial.literals > MAX_LITERALS:
            return self._reject("the command has too many literals", is_fatal=True)
        partial.literal_octets += size
        is_login = self.state is ImapState.NOT_AUTHENTICATED
        if partial.literal_octets > (self._limits.login_literals if is_login else self._limits.literals):
            raise ImpossibleCommand("the literal is too long", "TOOBIG")
        partial.line_octets += len(line) + 2
        partial.octets += line + b"\r\n"
        self._partial = partial
        self.expected, self._left, self._is_waiting = Expectation.LITERAL, size, not plus
        return None if plus else LiteralWanted(self._tag, size)

    def _message(self, event: Append | Replace | AppendNext, line: bytes) -> ImapEvent:
        """The event of an announced message, which the session accepts or refuses."""
        self._partial = None
        self.expected = Expectation.ANNOUNCED
        self._left = event.message.size
        self._is_waiting = event.message.is_waiting
        self._is_multiple = not isinstance(event, Replace)
        self._closer = b")" if is_in_utf8(line) else b""
        return event

    # --- what follows the first line of a command

    def _continued(self) -> ImapEvent | Signal | None:
        """The event of the next octets; None when they are read, and more may follow."""
        match self.expected:
            case Expectation.LITERAL:
                return self._read_literal()
            case Expectation.MESSAGE:
                return self._read_message()
            case Expectation.AFTER_MESSAGE:
                return self._read_after_message()
            case Expectation.RESPONSE | Expectation.DONE:
                return self._read_line()
            case Expectation.REFUSED:
                return self._discard()
        return NEED_DATA

    def _read_literal(self) -> Signal | None:
        assert self._partial is not None
        octets = self._lines.read(self._left)
        self._partial.octets += octets
        self._left -= len(octets)
        if self._left:
            return NEED_DATA
        self.expected = Expectation.COMMAND
        return None

    def _read_message(self) -> ImapEvent | Signal | None:
        if not self._left:
            self.expected = Expectation.AFTER_MESSAGE
            return None
        octets = self._lines.read(min(self._left, CHUNK))
        self._left -= len(octets)
        return MessageOctets(octets) if octets else NEED_DATA

    def _read_after_message(self) -> ImapEvent | Signal:
        line = self._next_line(self._limits.lines)
        if line is None:
            return NEED_DATA
        if not line.startswith(self._closer):
            raise ImapGrammarError("a parenthesis after the message is missing")
        rest = line[len(self._closer) :]
        if not rest.strip(b" "):
            self.expected = Expectation.COMMAND
            return AppendEnd()
        if not self._is_multiple or self._literal is None:
            raise ImapGrammarError("the end of the command is expected")
        return self._message(AppendNext(appended_message(CommandReader(rest))), rest)

    def _read_line(self) -> ImapEvent | Signal:
        """Response to a challenge, or DONE."""
        line = self._next_line(self._limits.lines)
        if line is None:
            return NEED_DATA
        is_idle = self.expected is Expectation.DONE
        self.expected = Expectation.COMMAND
        if not is_idle:
            return parse_response(line)
        if line.upper() != b"DONE":
            raise ImapGrammarError("DONE is expected")
        return IdleDone()

    # --- refusals

    def _reject(self, text: str, status: str = "BAD", code: str = "", *, is_fatal: bool = False) -> ImapRejected:
        """Rejection of the command; a literal that follows unasked is discarded."""
        self._partial = None
        self.expected = Expectation.COMMAND
        if self._literal is not None and self._literal[3]:
            self._refused.start(int(self._literal[2]))
            self.expected = Expectation.REFUSED
            if self._refused.is_beyond_limit:
                is_fatal, code = True, "TOOBIG"
        if is_fatal:
            self.end()
        return ImapRejected(self._tag, text, is_fatal, code, status)

    def _discard(self) -> ImapEvent | Signal | None:
        if self._refused.is_beyond_limit:
            return self._reject("the refused literal is too long", code="TOOBIG", is_fatal=True)
        if not self._refused.discard(self._lines, self._limits.lines):
            return NEED_DATA
        if not self._refused.is_active:
            self.expected = Expectation.COMMAND
        return None

    def end(self) -> None:
        self.expected = Expectation.NOTHING
        self._lines.clear()
