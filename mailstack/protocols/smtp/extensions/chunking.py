"""CHUNKING (RFC 3030 §2): BDAT, a content in counted chunks."""

from __future__ import annotations

import re

from mailstack.protocols.smtp.commands import LAST_CHUNK, NO_RECIPIENTS, RCPT_FIRST, Bdat, State, Transition
from mailstack.protocols.smtp.extensions.extension import Capabilities, Extension, Facts, Verb
from mailstack.protocols.smtp.extensions.size import too_large
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

# §2: chunk-size ::= 1*DIGIT; 20 digits are what SIZE takes (RFC 1870 §5), and more than any letter has octets.
_ARGUMENT = re.compile(r"([0-9]{1,20})(?: +(LAST))? *\Z", re.IGNORECASE)

# Where the next command begins is unknown, and what may be a letter is never read as commands: so the connection ends.
_SYNTAX = reply(501, "5.5.4", "syntax: BDAT size [LAST]; where the chunk ends is unknown, closing", closes=True)
_NOT_HERE = reply(502, "5.5.1", "BDAT is not offered here")


def _read(argument: str, _facts: Facts) -> Bdat:
    found = _ARGUMENT.match(argument)
    if found is None:
        raise Refusal(_SYNTAX)
    return Bdat(int(found[1]), last=found[2] is not None)


def chunk_refusal(chunk: Bdat, taken: int, capabilities: Capabilities) -> Reply | None:
    """Why a chunk is refused before its octets come, after chunks with `taken` octets; None when it isn't."""
    if "CHUNKING" in capabilities.withheld:
        return _NOT_HERE
    if 0 < capabilities.max_size < taken + chunk.size:
        return too_large(capabilities.max_size)
    return None


# Rows of one table: where the command may stand, and in State.CONTENT where the answer to its last octet leads.
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
