"""SMTP commands of the server engine, and their permitted order (RFC 5321 §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from mailstack.letter.address import Address, ReversePath
from mailstack.protocols.smtp.replies import Reply, reply

Parameters = tuple[tuple[str, str], ...]
"""Parameters that are relayed with the letter: keyword in upper case, value as sent."""

SMTPUTF8 = "SMTPUTF8"
"""Keyword and parameter of internationalized mail (RFC 6531 §3.1)."""


class Hello(Struct, frozen=True):
    """EHLO or HELO (RFC 5321 §4.1.1.1)."""

    domain: str
    """Client's name: one word of printable ASCII, not checked to be a domain; hostile text."""
    extended: bool
    """True for EHLO."""


class Mail(Struct, frozen=True):
    """MAIL FROM (RFC 5321 §4.1.1.2)."""

    sender: ReversePath
    parameters: Parameters
    size: int | None
    """Declared size in octets (RFC 1870 §5); None without SIZE."""
    body: str = "7BIT"
    """Declared BODY (RFC 6152 §2, RFC 3030 §3), in upper case."""

    @property
    def smtputf8(self) -> bool:
        """Whether addresses and header may be UTF-8 (RFC 6531 §3.4)."""
        return bool(self.parameters) and (SMTPUTF8, "") in self.parameters


class Rcpt(Struct, frozen=True):
    """RCPT TO (RFC 5321 §4.1.1.3)."""

    address: Address
    """`Address("postmaster", "")` for the bare `<postmaster>`. A source route is dropped (appendix C)."""
    parameters: Parameters = ()


class Data(Struct, frozen=True):
    """DATA (RFC 5321 §4.1.1.4). A 354 reply starts the content; any other reply ends the transaction."""


class Bdat(Struct, frozen=True):
    """BDAT (RFC 3030 §2): `size` octets of content follow. The reply is due at their end, to EndOfData."""

    size: int
    last: bool
    """Whether this chunk completes the content."""


class Chunk(Struct, frozen=True):
    """Octets of the content, dots unstuffed. No reply is due."""

    octets: bytes


class EndOfData(Struct, frozen=True):
    """The final dot, or the last octet of a BDAT chunk, was received."""

    size: int
    """Octets of the content so far, with CRLF, without stuffing and final dot (RFC 1870 §6.3)."""
    fault: Reply | None
    """Refusal of the content; its chunks are then incomplete. None accepts it."""
    bare_newlines: bool = False
    """Whether a line ended in a permitted bare LF; the chunks have CRLF."""


class Reset(Struct, frozen=True):
    """RSET (RFC 5321 §4.1.1.5)."""


class Noop(Struct, frozen=True):
    """NOOP (RFC 5321 §4.1.1.9)."""


class Help(Struct, frozen=True):
    """HELP (RFC 5321 §4.1.1.8)."""

    about: str


class Verify(Struct, frozen=True):
    """VRFY (RFC 5321 §4.1.1.6)."""

    argument: str


class Expand(Struct, frozen=True):
    """EXPN (RFC 5321 §4.1.1.7)."""

    argument: str


class Quit(Struct, frozen=True):
    """QUIT (RFC 5321 §4.1.1.10). The engine reads no input after the reply."""


class StartTls(Struct, frozen=True):
    """STARTTLS (RFC 3207 §4). A 220 reply discards the buffer, and TLS must start."""


class Auth(Struct, frozen=True):
    """AUTH (RFC 4954 §4). Reply with `challenge`, or with a reply that ends the exchange."""

    mechanism: str
    """Mechanism in upper case; one of the offered ones."""
    initial: bytes | None
    """Decoded initial response; None without one, b"" for "="."""


class AuthResponse(Struct, frozen=True):
    """Response to a challenge. Reply as for Auth."""

    response: bytes | None
    """Decoded response; None for "*", which cancels the exchange (501)."""


class XClient(Struct, frozen=True):
    """XCLIENT: client data from a trusted proxy; None for missing data. Reply with 220."""

    name: str | None = None
    """The client's host name."""
    address: str | None = None
    """Client's IP address."""
    port: int | None = None
    protocol: str | None = None
    """SMTP or ESMTP."""
    hello: str | None = None
    """Client's name in EHLO; hostile text, printable ASCII."""
    login: str | None = None
    """Account that the client has authenticated as."""
    local_address: str | None = None
    """Address that the client connected to."""
    local_port: int | None = None


class Rejected(Struct, frozen=True):
    """A line of invalid grammar, order or length; it ends an AUTH exchange. Send `reply`."""

    reply: Reply
    line: bytes
    """Start of the line, for the log; hostile octets, without the arguments of AUTH."""


ServerEvent = (
    Hello
    | Mail
    | Rcpt
    | Data
    | Bdat
    | Chunk
    | EndOfData
    | Reset
    | Noop
    | Help
    | Verify
    | Expand
    | Quit
    | StartTls
    | Auth
    | AuthResponse
    | XClient
    | Rejected
)


class LocalProtocolError(Exception):
    """A caller of the engine would break the protocol: a bug of this program, never caused by the peer."""


class State(Enum):
    """State of a server session."""

    GREETING = "before the greeting"
    TURNED_AWAY = "greeted with 554 (§3.1): only QUIT is accepted"
    CONNECTED = "greeted; no EHLO or HELO since then, or since TLS started"
    READY = "EHLO or HELO accepted; no transaction"
    MAIL = "a transaction without recipients"
    REFUSED = "a transaction with refused recipients only"
    RCPT = "a transaction with a recipient"
    CONTENT = "content up to the final dot after 354, or up to the end of a BDAT chunk"
    CHUNKS = "a chunk was accepted; the next one is expected (RFC 3030)"
    SPOILED = "a chunk was refused, and the letter with it: RSET is required"
    AUTHENTICATING = "a challenge was sent; the next line is its response"
    TLS = "220 to STARTTLS was sent; input is discarded until TLS starts"
    CLOSED = "closed: input is discarded"

    __hash__ = object.__hash__  # Enum's own __hash__ is a slow Python function


class Transition(Struct, frozen=True):
    """Next states after the reply to a command."""

    accepted: State
    """State after a positive reply."""
    refused: State
    """State after a negative reply."""
    reply: Reply | None = None
    """Refusal of a command that is out of order; None for a permitted command."""


END_OF_DATA = "end of data"
"""Name of the final dot among the verbs; with its blanks it can't be a verb."""
LAST_CHUNK = "BDAT LAST"
"""Name of BDAT with LAST (RFC 3030 §2): its reply leads to another state."""
RESPONSE = "response to a challenge"
"""Name of a response to a challenge among the verbs (RFC 4954 §4)."""

NO_RECIPIENTS = reply(554, "5.5.1", "no valid recipients")

_HELLO_FIRST = reply(503, "5.5.1", "bad sequence of commands: send EHLO first (in LMTP, LHLO)")
_MAIL_FIRST = reply(503, "5.5.1", "bad sequence of commands: send MAIL first")
RCPT_FIRST = reply(503, "5.5.1", "bad sequence of commands: send RCPT first")
_MAIL_IS_OPEN = reply(503, "5.5.1", "bad sequence of commands: a transaction is open, send RSET first")
_CHUNKS_ARE_OPEN = reply(503, "5.5.1", "bad sequence of commands: the letter comes in chunks, send BDAT or RSET")
_RSET_FIRST = reply(503, "5.5.1", "bad sequence of commands: a chunk was refused, send RSET first")
_ONLY_QUIT = reply(503, "5.5.1", "no service for you here, send QUIT")

# Replies to commands out of order, by state.
_OUT_OF_ORDER = {
    State.TURNED_AWAY: _ONLY_QUIT,
    State.CONNECTED: _HELLO_FIRST,
    State.READY: _MAIL_FIRST,
    State.MAIL: _MAIL_IS_OPEN,
    State.REFUSED: _MAIL_IS_OPEN,
    State.RCPT: _MAIL_IS_OPEN,
    State.CHUNKS: _CHUNKS_ARE_OPEN,
    State.SPOILED: _RSET_FIRST,
}


def _anywhere(state: State) -> dict[str, Transition]:
    """Commands permitted in any state (§4.1.4)."""
    stay = Transition(state, state)
    closed = Transition(State.CLOSED, State.CLOSED)
    return {"NOOP": stay, "HELP": stay, "VRFY": stay, "EXPN": stay, "QUIT": closed}


def _hello(state: State) -> dict[str, Transition]:
    """EHLO and HELO reset the session; refused ones change nothing (§4.1.4)."""
    return {"EHLO": Transition(State.READY, state), "HELO": Transition(State.READY, state)}


ORDER: Mapping[State, Mapping[str, Transition]] = {
    State.TURNED_AWAY: {
        "QUIT": Transition(State.CLOSED, State.CLOSED),
    },
    State.CONNECTED: {
        **_anywhere(State.CONNECTED),
        **_hello(State.CONNECTED),
        "RSET": Transition(State.CONNECTED, State.CONNECTED),
    },
    State.READY: {
        **_anywhere(State.READY),
        **_hello(State.READY),
        "RSET": Transition(State.READY, State.READY),
        "MAIL": Transition(State.MAIL, State.READY),
    },
    State.MAIL: {
        **_anywhere(State.MAIL),
        **_hello(State.MAIL),
        "RSET": Transition(State.READY, State.READY),
        "RCPT": Transition(State.RCPT, State.REFUSED),
        "DATA": Transition(State.MAIL, State.MAIL, RCPT_FIRST),
    },
    State.REFUSED: {
        **_anywhere(State.REFUSED),
        **_hello(State.REFUSED),
        "RSET": Transition(State.READY, State.READY),
        "RCPT": Transition(State.RCPT, State.REFUSED),
        # A pipelining client sends DATA before these refusals arrive (RFC 2920 §3.1).
        "DATA": Transition(State.READY, State.READY, NO_RECIPIENTS),
    },
    State.RCPT: {
        **_anywhere(State.RCPT),
        **_hello(State.RCPT),
        "RSET": Transition(State.READY, State.READY),
        "RCPT": Transition(State.RCPT, State.RCPT),
        "DATA": Transition(State.CONTENT, State.READY),
    },
    State.CONTENT: {
        END_OF_DATA: Transition(State.READY, State.READY),
    },
    State.CHUNKS: {
        **_anywhere(State.CHUNKS),
        **_hello(State.CHUNKS),
        "RSET": Transition(State.READY, State.READY),
    },
    State.SPOILED: {
        **_anywhere(State.SPOILED),
        **_hello(State.SPOILED),
        "RSET": Transition(State.READY, State.READY),
    },
    State.AUTHENTICATING: {
        RESPONSE: Transition(State.READY, State.READY),
    },
}
"""Transitions by state and command. A missing command is out of order: 503."""


def out_of_order(state: State) -> Transition:
    """Transition that refuses a command in `state` and keeps the state (§4.1.4)."""
    return Transition(state, state, _OUT_OF_ORDER[state])
