"""SMTP server engine: octets in, commands out, replies back (RFC 5321)."""

from __future__ import annotations

import binascii

from mailstack.protocols.connection import NEED_DATA, PAUSED, Signal
from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong
from mailstack.protocols.smtp.bdat_reader import BdatReader
from mailstack.protocols.smtp.commands import (
    Auth,
    AuthResponse,
    Bdat,
    EndOfData,
    Hello,
    LocalProtocolError,
    Mail,
    Rejected,
    ServerEvent,
    XClient,
)
from mailstack.protocols.smtp.data_reader import BareLfDataReader, DataReader
from mailstack.protocols.smtp.extensions import OFFERED
from mailstack.protocols.smtp.extensions.chunking import chunk_refusal
from mailstack.protocols.smtp.extensions.extension import Capabilities, Extension, Terms, Verb, agree
from mailstack.protocols.smtp.grammar import HELLO, LineLimits, may_be_read, unknown_command, verb_table
from mailstack.protocols.smtp.order import END_OF_DATA, LAST_CHUNK, RESPONSE, State, Transition, out_of_order
from mailstack.protocols.smtp.replies import (
    AUTH_TOO_LONG,
    BARE_NEWLINE,
    TOO_LONG,
    UNPRINTABLE,
    EachReply,
    Refusal,
    Reply,
    render,
)

__all__ = ["Capabilities", "ServerEngine"]

_MAX_REJECTED = 128
"""Maximum octets of a rejected line in its event."""

_NO_TERMS = Terms()
_ENDS = (END_OF_DATA, LAST_CHUNK)

_STATE_COMMANDS = frozenset({Hello, Mail, Auth, AuthResponse, XClient})
"""Commands that, once accepted, change more than the order of commands."""


class ServerEngine:
    """Server side of one connection.

    `next_event` returns one command at a time, then PAUSED until `answer` or `challenge` replies to it. So replies keep
    their order under PIPELINING. Chunk and Bdat have no reply of their own; the reply to their EndOfData counts.
    """

    # Slots save memory: thousands of engines are idle at a time.
    __slots__ = (
        "_bare_lf",
        "_chunks",
        "_content",
        "_event",
        "_limits",
        "_lines",
        "_lmtp",
        "_name",
        "_offered",
        "_order",
        "_recipients",
        "_skipping",
        "_state",
        "_transition",
        "_verbs",
        "authenticated",
        "capabilities",
        "hello",
        "mail",
        "terms",
        "tls",
    )

    def __init__(
        self,
        capabilities: Capabilities,
        offered: tuple[Extension, ...] = OFFERED,
        limits: LineLimits = LineLimits(),
        *,
        lmtp: bool = False,
    ) -> None:
        """`lmtp` selects RFC 2033: LHLO in place of EHLO and HELO, and one reply to the content for each recipient."""
        self.capabilities = capabilities
        """Capabilities that the next EHLO announces; may be replaced at any time."""
        self.hello: Hello | None = None
        """The last accepted EHLO or HELO; None again when TLS starts."""
        self.tls = False
        self.authenticated = False
        self.terms = _NO_TERMS
        """Terms of the last EHLO."""
        self.mail: Mail | None = None
        """The last accepted MAIL; valid during its transaction only."""
        self._offered = offered
        self._limits = limits
        self._verbs, self._order = verb_table(offered, lmtp=lmtp)
        self._lmtp = lmtp
        self._recipients = 0
        """Accepted recipients of the transaction; counted for LMTP only."""
        self._lines = LineBuffer()
        self._content: DataReader | BdatReader | BareLfDataReader | None = None
        self._chunks: BdatReader | None = None
        self._bare_lf = False
        """Whether the last line ended in LF alone."""
        self._skipping = 0
        """Octets of a refused chunk that are still to be discarded."""
        self._state = State.GREETING
        # Name, event and transition of the command that awaits its reply.
        self._name = ""
        self._event: ServerEvent | None = None
        self._transition: Transition | None = None

    @property
    def state(self) -> State:
        return self._state

    @property
    def buffered(self) -> int:
        return len(self._lines)

    def receive(self, octets: bytes) -> None:
        """Buffer octets. Octets between the 220 to STARTTLS and the start of TLS are discarded."""
        if self._state is not State.CLOSED and self._state is not State.TLS:
            self._lines.receive(octets)

    def tls_started(self) -> None:
        """Discard the buffer and all knowledge about the client (RFC 3207 §4.2, §6)."""
        self._lines.clear()
        self._content = self._transition = self._event = None
        self._skipping = 0
        self._reset_session()
        self.tls = True
        if self._state is not State.GREETING:
            self._state = State.CONNECTED

    def _reset_session(self) -> None:
        self.hello = None
        self.terms = _NO_TERMS
        self.mail = None
        self.authenticated = False

    def next_event(self) -> ServerEvent | Signal:
        """The next command, piece of content or rejected line; NEED_DATA; or PAUSED while a reply is pending."""
        if self._transition is not None or self._state is State.GREETING:
            return PAUSED
        if self._content is not None:
            return self._next_content_event(self._content)
        return self._next_line_event()

    def _next_line_event(self) -> ServerEvent | Signal:
        self._name = ""
        if self._skipping:
            self._skipping -= len(self._lines.read(self._skipping))
            if self._skipping:
                return NEED_DATA
        try:
            line = self._lines.line(self._limits.auth_line)
        except LineTooLong as long:
            auth = self._state is State.AUTHENTICATING or long.start[:5].upper() == b"AUTH "
            return self._reject(AUTH_TOO_LONG if auth else TOO_LONG, long.start)
        except BareLF as bare:
            if self.capabilities.bare_newlines != "accept":
                return self._reject(BARE_NEWLINE, bare.line)
            line, self._bare_lf = bare.line, True
        else:
            self._bare_lf = False
        if line is None:
            return NEED_DATA
        if b"\r" in line:
            return self._reject(BARE_NEWLINE, line)
        return self._read_response(line) if self._state is State.AUTHENTICATING else self._read_command(line)

    def _next_content_event(self, content: DataReader | BdatReader | BareLfDataReader) -> ServerEvent | Signal:
        event = content.next_event()
        if isinstance(event, EndOfData):
            self._content = None
            return self._expect_reply(event, self._order[State.CONTENT][self._name])
        return event

    def _read_command(self, line: bytes) -> ServerEvent:  # noqa: PLR0911 - reasons to reject a command, by rank
        # §4.1.1: trailing white space must be tolerated.
        text = line.decode("utf-8", "surrogateescape").rstrip(" \t")
        name, _, argument = text.partition(" ")
        self._name = name = name.upper()
        verb = self._verbs.get(name)
        if verb is None:
            return self._reject(unknown_command(name, lmtp=self._lmtp), line)
        if verb.octets:
            return self._read_chunk(verb, argument.lstrip(" "), line)
        if len(line) + 2 > self._limits.command_line and not verb.long:
            return self._reject(TOO_LONG, line)
        transition = self._order[self._state].get(name) or out_of_order(self._state)
        if transition.reply is not None:
            return self._reject(transition.reply, line, transition)
        if not (text.isascii() and text.isprintable()) and not may_be_read(name, line):
            return self._reject(UNPRINTABLE, line, transition)
        try:
            event = verb.read(argument.lstrip(" "), self)
        except Refusal as refusal:
            return self._reject(refusal.reply, line, transition)
        return self._expect_reply(event, transition)

    def _read_chunk(self, verb: Verb, argument: str, line: bytes) -> ServerEvent:
        """Octets after a BDAT line are content or discarded, never commands (RFC 3030 §2)."""
        try:
            chunk = verb.read(argument, self)
        except Refusal as refusal:
            return self._reject(refusal.reply, line)
        assert isinstance(chunk, Bdat)
        if chunk.last:
            self._name = LAST_CHUNK
        reader = self._chunks if self._state is State.CHUNKS else None
        transition = self._order[self._state].get(self._name) or out_of_order(self._state)
        refusal_reply = transition.reply or chunk_refusal(chunk, reader.size if reader else 0, self.capabilities)
        if refusal_reply is not None:
            self._skipping = chunk.size
            return self._reject(refusal_reply, line, transition)
        if reader is None:
            reader = BdatReader.for_content(self._lines, self.mail, self.capabilities)
        reader.start_chunk(chunk.size, last=chunk.last)
        self._content = self._chunks = reader
        self._state = transition.accepted
        return chunk

    def _read_response(self, line: bytes) -> ServerEvent:
        self._name = RESPONSE
        try:
            event = self._verbs[RESPONSE].read(line.decode("ascii", "surrogateescape").rstrip(" \t"), self)
        except Refusal as refusal:
            return self._reject(refusal.reply, b"")
        return self._expect_reply(event, self._order[State.AUTHENTICATING][RESPONSE])

    def _reject(self, refusal_reply: Reply, line: bytes, transition: Transition | None = None) -> Rejected:
        if transition is None:
            # A line that is no command changes nothing, but ends an AUTH exchange.
            after = State.READY if self._state is State.AUTHENTICATING else self._state
            transition = Transition(after, after)
        if self._state is State.AUTHENTICATING:
            line = b""
        elif line[:5].upper() == b"AUTH ":
            line = line[:4]
        event = Rejected(refusal_reply, line[:_MAX_REJECTED])
        self._expect_reply(event, transition)
        return event

    def _expect_reply(self, event: ServerEvent, transition: Transition) -> ServerEvent:
        self._event = event
        self._transition = transition
        return event

    def greet(self, greeting: Reply) -> bytes:
        """The greeting in octets: 220, 554 (then only QUIT is served, §3.1) or 421. Its text starts with the hostname."""
        if self._state is not State.GREETING:
            raise LocalProtocolError("the greeting was sent already")
        self._enter(State.CONNECTED if greeting.positive else State.TURNED_AWAY)
        if greeting.closes:
            self._close()
        return render(greeting, enhanced=False)

    def answer(self, answer: Reply) -> bytes:
        """The reply to the last event in octets. A positive reply to EHLO starts with the hostname; extensions are
        added.

        Raises LocalProtocolError if no reply is pending, or for a positive reply other than 354 where only that fits.
        """
        transition, event = self._transition, self._event
        if transition is None:
            raise LocalProtocolError(f"no command awaits the reply {answer.code}")
        accepted = answer.code < 400 and not isinstance(event, Rejected)
        if accepted and (answer.code >= 300) != (transition.accepted is State.CONTENT):
            raise LocalProtocolError(f"{answer.code} is no reply to {self._name}")
        self._transition = self._event = None
        if accepted and type(event) in _STATE_COMMANDS:
            answer = self._apply_accepted(event, answer)
        octets = render(answer, enhanced=self.terms.enhanced and self._name not in HELLO)
        if self._lmtp:
            octets = self._reply_to_each(answer, transition, octets, accepted=accepted)
        self._enter(transition.accepted if accepted else transition.refused)
        if answer.closes:
            self._close()
        return octets

    def _apply_accepted(self, event: ServerEvent | None, answer: Reply) -> Reply:
        """Store the effects of an accepted command; returns its reply, completed for EHLO."""
        match event:
            case Mail():
                self.mail = event
            case Hello():
                self.hello = event
                self.terms = agree(self._offered, self) if event.extended else _NO_TERMS
                first_line = answer.text.partition("\n")[0]
                return Reply(answer.code, "\n".join((first_line, *self.terms.keywords)), closes=answer.closes)
            case XClient():
                self._reset_session()
            case Auth() | AuthResponse():
                self.authenticated = True
        return answer

    def _reply_to_each(self, answer: Reply, transition: Transition, octets: bytes, *, accepted: bool) -> bytes:
        """One reply to the end of a content for each accepted recipient (RFC 2033 §4.2, §4.3); else `octets`."""
        name = self._name
        if name == "MAIL" and accepted:
            self._recipients = 0
        elif name == "RCPT":
            self._recipients += accepted
        elif name in _ENDS and transition.refused is State.READY and answer.code != 421 and self._recipients:
            each = answer.each if isinstance(answer, EachReply) else (answer,) * self._recipients
            self._recipients = 0
            return b"".join([render(reply, enhanced=self.terms.enhanced) for reply in each])
        return octets

    def challenge(self, octets: bytes) -> bytes:
        """The 334 reply to Auth or AuthResponse, which requests another response (RFC 4954 §4)."""
        if self._transition is None or self._name not in ("AUTH", RESPONSE) or isinstance(self._event, Rejected):
            raise LocalProtocolError("a challenge answers AUTH and nothing else")
        self._transition = self._event = None
        self._enter(State.AUTHENTICATING)
        return b"334 " + binascii.b2a_base64(octets, newline=False) + b"\r\n"

    def unsolicited(self, reply: Reply) -> bytes:
        """A reply to no command: 421 before the server closes (§3.8)."""
        if reply.closes:
            self._close()
        return render(reply, enhanced=self.terms.enhanced)

    def _enter(self, state: State) -> None:
        self._state = state
        if state is State.CONTENT:
            self._name = END_OF_DATA
            reader = BareLfDataReader if self._bare_lf else DataReader
            self._content = reader.for_content(self._lines, self.capabilities)
        elif state is State.TLS or state is State.CLOSED:
            self._lines.clear()

    def _close(self) -> None:
        self._content = self._transition = self._event = None
        self._enter(State.CLOSED)
