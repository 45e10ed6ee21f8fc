"""What one connection may make an engine hold: never more than a line's limit and one piece of the network (§7.8)."""

from __future__ import annotations

import pytest

from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.smtp.commands import Auth, Chunk
from mailstack.protocols.smtp.grammar import LineLimits
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from tests.protocols.smtp.dialogue import Dialogue

PIECE = b"x" * 65536
"""About what one read of the network gives."""
TRANSACTION = [b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>"]
BEFORE = {
    "at the start": [],
    "in a transaction": TRANSACTION,
    "in AUTH": [b"EHLO c.test", b"AUTH LOGIN"],
    "in a content": [*TRANSACTION, b"DATA"],
    "in a chunk": [*TRANSACTION, b"BDAT 100000000000"],
}


@pytest.mark.parametrize("lines", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("octet", [b"x", b"\0", b"\r", b"."])
def test_octets_without_a_line_end_are_not_kept(lines: list[bytes], octet: bytes) -> None:
    """SMTP-20, SMTP-26: 64 MB here; gigabytes are the same."""
    session = Dialogue(Capabilities("mx.home.test", max_size=1_000_000, mechanisms=("LOGIN",)))
    for line in lines:
        session.engine.receive(line + b"\r\n")
        event = session.engine.next_event()
        if isinstance(event, Auth):
            session.engine.challenge(b"Username:")
        else:
            session.engine.answer(session.answers(event))
    piece = octet * len(PIECE)
    for _ in range(1000):
        session.engine.receive(piece)
        while (event := session.engine.next_event()) is not NEED_DATA:
            if not isinstance(event, Chunk):
                session.engine.answer(session.answers(event))
        assert session.engine.buffered <= LineLimits().auth_line


def test_what_is_sent_ahead_waits_outside() -> None:
    """SMTP-26: while an answer is owed an engine reads nothing, and says how much waits, so that reading can stop."""
    engine = ServerEngine(Capabilities("mx.home.test"))
    engine.receive(PIECE)
    assert engine.buffered == len(PIECE)
