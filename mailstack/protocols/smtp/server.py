"""SMTP server engine: octets in, commands out, replies back (RFC 5321)."""

from __future__ import annotations

import binascii

from mailstack.protocols.connection import NEED_DATA, PAUSED, Signal
from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong
from mailstack.protocols.smtp.bdat_reader import BdatReader
from mailstack.protocols.smtp.commands import (
    END_OF_DATA,
    LAST_CHUNK,
    RESPONSE,
    Auth,
    AuthResponse,
    Bdat,
    EndOfData,
    Hello,
    LocalProtocolError,
    Mail,
    Rejected,
    ServerEvent,
    State,
    Transition,
    XClient,
    out_of_order,
)
from mailstack.protocols.smtp.data_reader import BareLfDataReader, DataReader
from mailstack.protocols.smtp.extensions import OFFERED
from mailstack.protocols.smtp.extensions.chunking import chunk_refusal
from mailstack.protocols.smtp.extensions.extension import Capabilities, Extension, Terms, Verb, agree
from mailstack.protocols.smtp.grammar import HELLO, may_be_read, unknown_command, verb_table
from mailstack.protocols.smtp.limits import LineLimits
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
"""Octets of a rejected line that its event carries."""

_NO_TERMS = Terms()

_STATE_COMMANDS = frozenset({Hello, Mail, Auth, AuthResponse, XClient})
"""Commands that change the engine's state beside the order, once accepted."""


class ServerEngine:
    """Server side of one connection.

    `next_event` gives one command at a time, and then PAUSED until `answer` or `challenge` replies to it. So replies keep
    their order under PIPELINING. Chunk and Bdat get no reply of their own: that to the EndOfData behind them counts.
    """

    # Thousands of these are idle at a time: slots keep each small.
    __slots__ = (
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
        "_speaks_lf",
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
        """`lmtp` speaks RFC 2033: LHLO in place of EHLO and HELO, and an answer to the content for each recipient."""
        self.capabilities = capabilities
        """May be replaced at any time; EHLO tells what holds then."""
        self.hello: Hello | None = None
        """The last EHLO or HELO that was answered positively; None again when TLS begins."""
        self.tls = False
        self.authenticated = False
        self.terms = _NO_TERMS
        """Terms of the last EHLO."""
        self.mail: Mail | None = None
        """The MAIL of the transaction, once it was answered positively; of no meaning after the transaction."""
        self._offered = offered
        self._limits = limits
        self._verbs, self._order = verb_table(offered, lmtp=lmtp)
        self._lmtp = lmtp
        self._recipients = 0
        """Recipients of the transaction, which LMTP counts."""
        self._lines = LineBuffer()
        self._content: DataReader | BdatReader | BareLfDataReader | None = None
        self._chunks: BdatReader | None = None
        self._speaks_lf = False
        """Whether the last line ended in LF alone."""
        self._skipping = 0
        """Octets of a refused chunk that are still to be thrown away."""
        self._state = State.GREETING
        # The command to be answered, and where its answer leads.
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
        """Take octets as the network cut them. Those that come between 220 to STARTTLS and TLS are thrown away."""
        if self._state is not State.CLOSED and self._state is not State.TLS:
            self._lines.receive(octets)

    def tls_started(self) -> None:
        """Forget all that the client said, and what is buffered (RFC 3207 §4.2, §6)."""
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
        """The next command, piece of content or rejected line; NEED_DATA; or PAUSED while an answer is owed."""
        if self._transition is not None or self._state is State.GREETING:
            return PAUSED
        if self._content is not None:
            return self._next_content_event(self._content)
        return self._next_line_event()

    def _next_line_event(self) -> ServerEvent | Signal:
        self._name = ""
        if self._skipping:
            self._skipping -= len(self._lines.take(self._skipping))
            if self._skipping:
                return NEED_DATA
        try:
            line = self._lines.line(self._limits.auth_line)
        except LineTooLong as long:
            return self._reject(self._too_long(long.start), long.start)
        except BareLF as bare:
            if self.capabilities.bare_newlines != "accept":
                return self._reject(BARE_NEWLINE, bare.line)
            line, self._speaks_lf = bare.line, True
        else:
            self._speaks_lf = False
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

    def _read_command(self, line: bytes) -> ServerEvent:  # noqa: PLR0911 - what forbids a command, in order of rank
        # §4.1.1: white space at the end of a line is to be tolerated.
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
        """The octets behind the line are content, or thrown away (RFC 3030 §2); never commands."""
        try:
            chunk = verb.read(argument, self)
        except Refusal as refusal:
            return self._reject(refusal.reply, line)
        assert isinstance(chunk, Bdat)
        if chunk.last:
            self._name = LAST_CHUNK
        taken = self._chunks if self._state is State.CHUNKS else None
        transition = self._order[self._state].get(self._name) or out_of_order(self._state)
        refusal_reply = transition.reply or chunk_refusal(chunk, taken.size if taken else 0, self.capabilities)
        if refusal_reply is not None:
            self._skipping = chunk.size
            return self._reject(refusal_reply, line, transition)
        if taken is None:
            taken = BdatReader.for_content(self._lines, self.mail, self.capabilities)
        taken.start_chunk(chunk.size, last=chunk.last)
        self._content = self._chunks = taken
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
            # Nothing follows from a line that is no command, but an exchange that is disturbed is over.
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

    def _too_long(self, start: bytes) -> Reply:
        auth = self._state is State.AUTHENTICATING or start[:5].upper() == b"AUTH "
        return AUTH_TOO_LONG if auth else TOO_LONG

    def greet(self, greeting: Reply) -> bytes:
        """The first words: 220, or 554 (then only QUIT is served, §3.1), or 421. The text begins with our name."""
        if self._state is not State.GREETING:
            raise LocalProtocolError("the greeting was sent already")
        self._enter(State.CONNECTED if greeting.positive else State.TURNED_AWAY)
        if greeting.closes:
            self._close()
        return render(greeting, enhanced=False)

    def answer(self, answer: Reply) -> bytes:
        """The answer to the last event. A positive one to EHLO gets the extensions added; its text begins with our name.

        Raises LocalProtocolError when none is owed, or when only 354 opens the content and this isn't it.
        """
        transition, event = self._transition, self._event
        if transition is None:
            raise LocalProtocolError(f"no answer is owed, but {answer.code} was given")
        accepted = answer.code < 400 and not isinstance(event, Rejected)
        if accepted and (answer.code >= 300) != (transition.accepted is State.CONTENT):
            raise LocalProtocolError(f"{answer.code} is no answer to {self._name}")
        self._transition = self._event = None
        if accepted and type(event) in _STATE_COMMANDS:
            answer = self._apply_accepted(event, answer)
        octets = render(answer, enhanced=self.terms.enhanced and self._name not in HELLO)
        if self._lmtp:
            octets = self._for_each(answer, transition, octets, accepted=accepted)
        self._enter(transition.accepted if accepted else transition.refused)
        if answer.closes:
            self._close()
        return octets

    def _apply_accepted(self, event: ServerEvent | None, answer: Reply) -> Reply:
        """Remember what a command has changed that was accepted; the answer to it."""
        match event:
            case Mail():
                self.mail = event
            case Hello():
                return self._apply_hello(event, answer)
            case XClient():
                self._reset_session()
            case Auth() | AuthResponse():
                self.authenticated = True
        return answer

    def _for_each(self, answer: Reply, transition: Transition, octets: bytes, *, accepted: bool) -> bytes:
        """What ends a content is answered once for each recipient that was taken (RFC 2033 §4.2, §4.3)."""
        name = self._name
        if name == "MAIL" and accepted:
            self._recipients = 0
        elif name == "RCPT":
            self._recipients += accepted
        elif (
            name in (END_OF_DATA, LAST_CHUNK)
            and transition.refused is State.READY
            and answer.code != 421
            and self._recipients
        ):
            each = answer.each if isinstance(answer, EachReply) else (answer,) * self._recipients
            self._recipients = 0
            return b"".join([render(one, enhanced=self.terms.enhanced) for one in each])
        return octets

    def challenge(self, octets: bytes) -> bytes:
        """The answer to Auth or AuthResponse that asks for another response (RFC 4954 §4)."""
        if self._transition is None or self._name not in ("AUTH", RESPONSE) or isinstance(self._event, Rejected):
            raise LocalProtocolError("a challenge answers AUTH and nothing else")
        self._transition = self._event = None
        self._enter(State.AUTHENTICATING)
        return b"334 " + binascii.b2a_base64(octets, newline=False) + b"\r\n"

    def unsolicited(self, reply: Reply) -> bytes:
        """A reply that answers nothing: 421 before we close (§3.8)."""
        if reply.closes:
            self._close()
        return render(reply, enhanced=self.terms.enhanced)

    def _apply_hello(self, hello: Hello, answer: Reply) -> Reply:
        self.hello = hello
        self.terms = agree(self._offered, self) if hello.extended else _NO_TERMS
        first_line = answer.text.partition("\n")[0]
        return Reply(answer.code, "\n".join((first_line, *self.terms.keywords)), closes=answer.closes)

    def _enter(self, state: State) -> None:
        self._state = state
        if state is State.CONTENT:
            self._name = END_OF_DATA
            reader = BareLfDataReader if self._speaks_lf else DataReader
            self._content = reader.for_content(self._lines, self.capabilities)
        elif state is State.TLS or state is State.CLOSED:
            self._lines.clear()

    def _close(self) -> None:
        self._content = self._transition = self._event = None
        self._enter(State.CLOSED)
