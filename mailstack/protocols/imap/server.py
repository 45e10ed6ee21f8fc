"""IMAP server engine: replies, states and limits (RFC 3501, RFC 7888, RFC 9051).

After each event but MessageOctets, the engine is PAUSED until its reply: the tagged response, or `challenge`, `idling`,
`accept_literal` or `refuse_literal`. So replies to pipelined commands keep their order (RFC 3501 §5.5). Untagged responses
are octets of `responses`, and don't change the state.
"""

from __future__ import annotations

from mailstack.protocols.connection import NEED_DATA, PAUSED, Signal
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.command_input import CommandInput, Expectation
from mailstack.protocols.imap.command_table import CommandTable, ImapState
from mailstack.protocols.imap.commands import ImapEvent, ImapRejected, MessageOctets
from mailstack.protocols.imap.compression import MAX_PENDING, InflatedInput, InvalidCompression
from mailstack.protocols.imap.input_limits import CHUNK, InputLimits


class ImapServerEngine:
    """Server side of one connection. `state` is that of RFC 3501 §3."""

    def __init__(self, *, tls: bool = False, limits: InputLimits = InputLimits()) -> None:
        """`tls` is implicit TLS (RFC 8314 §3)."""
        self._input = CommandInput(limits, tls=tls)
        self._is_reply_due = True  # the greeting
        self._compressed: InflatedInput | None = None
        self.account = ""
        """Account of the login; "" before it."""

    # --- called by the network

    def receive(self, octets: bytes) -> None:
        if self._compressed is None:
            self._input.receive(octets)
        else:
            self._compressed.receive(octets)

    @property
    def buffered(self) -> int:
        return self._input.buffered + (0 if self._compressed is None else len(self._compressed))

    def tls_started(self) -> None:
        """Discard input after STARTTLS (RFC 3501 §6.2.1)."""
        self._input.tls_started()

    def next_event(self) -> ImapEvent | Signal:
        if self._is_reply_due:
            return PAUSED
        event = self._input.next_event()
        if self._compressed is not None and event is NEED_DATA and self._input.expected is not Expectation.NOTHING:
            event = self._inflated_event(self._compressed)
        if event is not NEED_DATA and event.__class__ is not MessageOctets:
            self._is_reply_due = True
        return event

    def _inflated_event(self, compressed: InflatedInput) -> ImapEvent | Signal:
        """The next event of compressed input."""
        pending = 0
        try:
            while pending <= MAX_PENDING:
                octets = compressed.read(CHUNK)
                if not octets:
                    return NEED_DATA
                pending += len(octets)
                self._input.receive(octets)
                event = self._input.next_event()
                if event is not NEED_DATA:
                    return event
        except InvalidCompression as error:
            reason = str(error)
        else:
            reason = "the compressed input expands too much"
        self._input.end()
        self._compressed = None
        return ImapRejected("*", reason, is_fatal=True)

    # --- called by the session

    @property
    def state(self) -> ImapState:
        return self._input.state

    @property
    def tls(self) -> bool:
        return self._input.tls

    @property
    def utf8(self) -> bool:
        """Whether UTF8=ACCEPT or IMAP4rev2 is enabled, and names are UTF-8 (RFC 6855 §3)."""
        return self._input.utf8

    @property
    def commands(self) -> CommandTable:
        """Commands of this connection, with their grammar; another table changes what is understood."""
        return self._input.commands

    @commands.setter
    def commands(self, table: CommandTable) -> None:
        self._input.commands = table

    def logged_in(self, account: str = "") -> None:
        self.account = account
        self._input.state = ImapState.AUTHENTICATED

    def selected(self) -> None:
        self._input.state = ImapState.SELECTED

    def unselected(self) -> None:
        """Leave the selected state, after CLOSE, UNSELECT or a failed SELECT."""
        self._input.state = ImapState.AUTHENTICATED

    def enabled(self, extension: str) -> None:
        """Note an extension that the session has enabled (RFC 5161)."""
        if extension.upper() in {"UTF8=ACCEPT", "IMAP4REV2"}:
            self._input.utf8 = True

    @property
    def is_compressed(self) -> bool:
        return self._compressed is not None

    def compression_started(self) -> None:
        """Inflate input from now on, after the OK to COMPRESS; discards what the client sent too early (RFC 4978 §3)."""
        self._input.discard_received()
        self._compressed = InflatedInput()

    def greeting(self, text: str, code: str = "", *, is_preauth: bool = False) -> bytes:
        """Greeting OK or PREAUTH (RFC 3501 §7.1.4)."""
        self._is_reply_due = False
        if is_preauth:
            self.logged_in()
        return responses.tagged("*", "PREAUTH" if is_preauth else "OK", text, code)

    def tagged(self, tag: str, status: str, text: str, code: str = "") -> bytes:
        """OK, NO or BAD to the last command; an announced or running message is refused with it."""
        self._is_reply_due = False
        self._input.refuse()
        return responses.tagged(tag, status, text, code)

    def challenge(self, octets: bytes) -> bytes:
        """Challenge to AUTHENTICATE or to a response; the next event is ImapAuthResponse or ImapRejected."""
        self._is_reply_due = False
        self._input.expected = Expectation.RESPONSE
        return responses.challenge(octets)

    def idling(self) -> bytes:
        """Continuation request of IDLE; the next event is IdleDone or ImapRejected (RFC 2177 §3)."""
        self._is_reply_due = False
        self._input.expected = Expectation.DONE
        return responses.continuation("idling")

    def accept_literal(self) -> bytes:
        """Reply to LiteralWanted, Append, Replace or AppendNext; empty if the client does not wait for it."""
        self._is_reply_due = False
        return responses.continuation("OK") if self._input.accept() else b""

    def refuse_literal(self) -> bytes:
        """Refuse the literal or message and the rest of its command; the tagged response follows. Empty octets."""
        self._input.refuse()
        return b""
