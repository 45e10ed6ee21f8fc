"""Order of SMTP commands: the state table (RFC 5321 §4.1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from mailstack.protocols.smtp.replies import Reply, reply


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
