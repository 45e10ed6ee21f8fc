"""Order of SMTP commands: the state table of a server's session (RFC 5321 §4.1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from mailstack.protocols.smtp.replies import Reply, reply


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
    SPOILED = "a chunk was refused, and the message with it: RSET is required"
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


_CHUNKS_ARE_OPEN = reply(503, "5.5.1", "bad sequence of commands: the message comes in chunks, send BDAT or RSET")


_RSET_FIRST = reply(503, "5.5.1", "bad sequence of commands: a chunk was refused, send RSET first")


_ONLY_QUIT = reply(503, "5.5.1", "no service for you here, send QUIT")


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
    """Transition that refuses a command in `state`, without a change of state (§4.1.4)."""
    return Transition(state, state, _OUT_OF_ORDER[state])
