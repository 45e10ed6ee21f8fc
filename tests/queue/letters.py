"""Letters and directories for tests of the queue."""

from __future__ import annotations

import itertools

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient
from mailstack.letter.letter import Octets
from mailstack.store import StoreError
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


class MemoryDirectory:
    """A queue.route.Directory."""

    def __init__(
        self,
        *mailboxes: str,
        aliases: dict[str, tuple[str, ...]] | None = None,
        domains: tuple[str, ...] = ("home.test",),
    ) -> None:
        self.mailboxes = set(mailboxes)
        self.aliases = aliases or {}
        self.domains = domains

    def is_local(self, domain: str) -> bool:
        return domain.lower() in self.domains

    async def mailbox(self, address: Address) -> str | None:
        return address.key if address.key in self.mailboxes else None

    async def alias(self, address: Address) -> tuple[Address, ...] | None:
        targets = self.aliases.get(address.key)
        return None if targets is None else tuple(Address.parse(target) for target in targets)


class FailingDirectory(MemoryDirectory):
    """Answers `good` times, then fails until that is None again."""

    good: int | None = None

    async def mailbox(self, address: Address) -> str | None:
        if self.good is not None:
            if not self.good:
                raise StoreError("the disk is away")
            self.good -= 1
        return await super().mailbox(address)
