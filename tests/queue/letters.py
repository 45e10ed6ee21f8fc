"""Letters for tests of the queue."""

from __future__ import annotations

import itertools

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient
from mailstack.letter.content import Octets
from tests.queue.clock import START

SERVER = "mx.home.test"
ALICE = Address("alice", "home.test")
HEADER = b"From: alice@home.test\r\nSubject: hello\r\n\r\n"

_numbers = itertools.count()


def a_letter(
    *recipients: str | Recipient, sender: Address | None = ALICE, at: float = START, body: bytes = b"hi\r\n"
) -> Letter:
    """A letter to these, under an id of its own."""
    envelope = Envelope(sender, tuple(Recipient(Address.parse(r)) if isinstance(r, str) else r for r in recipients))
    letter_id = LetterId(f"letter{next(_numbers):09}")
    return Letter(letter_id, envelope, Octets(HEADER + body), Arrival(at, SERVER, "ESMTPSA", account="alice@home.test"))
