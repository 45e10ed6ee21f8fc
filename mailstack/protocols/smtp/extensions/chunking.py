"""CHUNKING (RFC 3030 §2): BDAT, a content in counted chunks."""

from __future__ import annotations

import re

from mailstack.protocols.smtp.commands import Bdat
from mailstack.protocols.smtp.extensions.extension import Capabilities, Extension, Facts, Verb
from mailstack.protocols.smtp.extensions.size import too_large
from mailstack.protocols.smtp.order import LAST_CHUNK, NO_RECIPIENTS, RCPT_FIRST, State, Transition
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

# §2: chunk-size ::= 1*DIGIT; 20 digits, as in SIZE (RFC 1870 §5).
_ARGUMENT = re.compile(r"([0-9]{1,20})(?: +(LAST))? *\Z", re.IGNORECASE)

# The start of the next command is unknown, and content is never read as commands, so the connection ends.
_SYNTAX = reply(501, "5.5.4", "syntax: BDAT size [LAST]; where the chunk ends is unknown, closing", closes=True)
_NOT_HERE = reply(502, "5.5.1", "BDAT is not offered here")


def _read(argument: str, _facts: Facts) -> Bdat:
    match = _ARGUMENT.match(argument)
    if match is None:
        raise Refusal(_SYNTAX)
    return Bdat(int(match[1]), last=match[2] is not None)


def chunk_refusal(chunk: Bdat, received: int, capabilities: Capabilities) -> Reply | None:
    """Refusal of a chunk before its octets, after chunks of `received` octets; None accepts it."""
    if "CHUNKING" in capabilities.withheld:
        return _NOT_HERE
    if 0 < capabilities.max_size < received + chunk.size:
        return too_large(capabilities.max_size)
    return None


# Transitions by state; State.CONTENT has those of the reply to the last octet.
CHUNKING = Extension(
    "CHUNKING",
    verbs={
        "BDAT": Verb(
            _read,
            {
                State.MAIL: Transition(State.MAIL, State.MAIL, RCPT_FIRST),
                State.REFUSED: Transition(State.SPOILED, State.SPOILED, NO_RECIPIENTS),
                State.RCPT: Transition(State.CONTENT, State.SPOILED),
                State.CHUNKS: Transition(State.CONTENT, State.SPOILED),
                State.CONTENT: Transition(State.CHUNKS, State.SPOILED),
            },
            octets=True,
        ),
        LAST_CHUNK: Verb(
            _read,
            {
                State.MAIL: Transition(State.MAIL, State.MAIL, RCPT_FIRST),
                State.REFUSED: Transition(State.READY, State.READY, NO_RECIPIENTS),
                State.RCPT: Transition(State.CONTENT, State.READY),
                State.CHUNKS: Transition(State.CONTENT, State.READY),
                State.CONTENT: Transition(State.READY, State.READY),
            },
        ),
    },
)
