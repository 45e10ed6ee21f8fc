"""SMTP commands of the server engine, and their permitted order (RFC 5321 §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from mailstack.letter.address import Address, ReversePath
from mailstack.protocols.smtp.replies import Reply, reply

Parameters = tuple[tuple[str, str], ...]
"""Parameters that travel on with the letter: keyword in upper case, value as sent."""

SMTPUTF8 = "SMTPUTF8"
"""The keyword, and the parameter, of internationalized mail (RFC 6531 §3.1)."""


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
    """DATA (RFC 5321 §4.1.1.4). 354 lets the content come; any other answer ends the transaction."""


class Bdat(Struct, frozen=True):
    """BDAT (RFC 3030 §2): so many octets of the content follow. The answer is owed at their end, to EndOfData."""

    size: int
    last: bool
    """Whether the content is whole with them."""


class Chunk(Struct, frozen=True):
    """Some octets of the content, dots unstuffed. No answer is owed."""

    octets: bytes


class EndOfData(Struct, frozen=True):
    """The final dot came, or the last octet that BDAT announced."""

    size: int
    """Octets of the whole content so far: CRLF counted, stuffing and final dot not (RFC 1870 §6.3)."""
    fault: Reply | None
    """Why the content must be refused; the chunks given are then not the whole of it."""
    bare_newlines: bool = False
    """Whether some of its lines ended in LF alone, where that may be; the chunks given have CRLF."""


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
    """QUIT (RFC 5321 §4.1.1.10). The engine reads nothing more after the answer."""


class StartTls(Struct, frozen=True):
    """STARTTLS (RFC 3207 §4). After 220 whatever is buffered is gone, and TLS must start."""


class Auth(Struct, frozen=True):
    """AUTH (RFC 4954 §4). Answer with `challenge`, or with a reply that ends the exchange."""

    mechanism: str
    """Mechanism in upper case; one of those that are offered."""
    initial: bytes | None
    """The initial response, decoded; None when there was none, b"" for "="."""


class AuthResponse(Struct, frozen=True):
    """The answer to a challenge. Answer as for Auth."""

    response: bytes | None
    """Decoded; None means "*": the client gives up (501)."""


class XClient(Struct, frozen=True):
    """XCLIENT: client data from a trusted proxy; None for what it did not give. Reply with 220."""

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
    """The account that it proved to be."""
    local_address: str | None = None
    """Address that the client connected to."""
    local_port: int | None = None


class Rejected(Struct, frozen=True):
    """A line that grammar, order or length forbid. Send `reply` as the answer.

    In the middle of an AUTH exchange it ends the exchange.
    """

    reply: Reply
    line: bytes
    """The beginning of the line, for the log; hostile octets, with what follows AUTH taken out."""


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
    """We were about to break the protocol ourselves: a bug on our side, never the peer's doing."""


class State(Enum):
    """Where a server's session stands."""

    GREETING = "the greeting is owed"
    TURNED_AWAY = "greeted with 554 (§3.1): only QUIT makes sense"
    CONNECTED = "greeted; no EHLO or HELO, or none since TLS began"
    READY = "said hello; no transaction"
    MAIL = "a transaction without recipients"
    REFUSED = "a transaction with refused recipients only"
    RCPT = "a transaction with a recipient"
    CONTENT = "354 was said, or BDAT came; octets up to the final dot, or the end of the chunk, are content"
    CHUNKS = "a chunk was taken, and the next is awaited (RFC 3030)"
    SPOILED = "a chunk was refused, and with it the letter: RSET must come"
    AUTHENTICATING = "a challenge was sent; the next line answers it"
    TLS = "220 to STARTTLS was said; nothing is read before TLS begins"
    CLOSED = "closed: nothing is read any more"

    __hash__ = object.__hash__  # Enum's own is a call of Python for each look into a table


class Transition(Struct, frozen=True):
    """Where the answer to a command leads."""

    accepted: State
    """State after a positive reply."""
    refused: State
    """State after a negative reply."""
    reply: Reply | None = None
    """Set when the command is refused for its order alone: what to answer."""


END_OF_DATA = "end of data"
"""Stands for the final dot among the verbs; the blanks keep it from being one."""
LAST_CHUNK = "BDAT LAST"
"""Name of BDAT with LAST (RFC 3030 §2): its reply leads to another state."""
RESPONSE = "response to a challenge"
"""Stands for the line that answers a challenge (RFC 4954 §4)."""

NO_RECIPIENTS = reply(554, "5.5.1", "no valid recipients")

_HELLO_FIRST = reply(503, "5.5.1", "bad sequence of commands: send EHLO first (in LMTP, LHLO)")
_MAIL_FIRST = reply(503, "5.5.1", "bad sequence of commands: send MAIL first")
RCPT_FIRST = reply(503, "5.5.1", "bad sequence of commands: send RCPT first")
_MAIL_IS_OPEN = reply(503, "5.5.1", "bad sequence of commands: a transaction is open, send RSET first")
_CHUNKS_ARE_OPEN = reply(503, "5.5.1", "bad sequence of commands: the letter comes in chunks, send BDAT or RSET")
_RSET_FIRST = reply(503, "5.5.1", "bad sequence of commands: a chunk was refused, send RSET first")
_ONLY_QUIT = reply(503, "5.5.1", "no service for you here, send QUIT")

# What is said to a command that has no place in a state.
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
    """What changes nothing, whatever is going on (§4.1.4: NOOP, HELP, EXPN, VRFY at any time)."""
    stay = Transition(state, state)
    closed = Transition(State.CLOSED, State.CLOSED)
    return {"NOOP": stay, "HELP": stay, "VRFY": stay, "EXPN": stay, "QUIT": closed}


def _hello(state: State) -> dict[str, Transition]:
    """EHLO and HELO begin anew and clear a transaction; refused, they change nothing (§4.1.4)."""
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
        # A client that pipelines sends DATA before it knows (RFC 2920 §3.1); that ends its transaction.
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
"""State, command, where its answer leads. A command that is missing is out of order: 503."""


def out_of_order(state: State) -> Transition:
    """For a command that has no place in `state`: it is refused, and the state stays (§4.1.4)."""
    return Transition(state, state, _OUT_OF_ORDER[state])
