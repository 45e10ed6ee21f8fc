"""Who lives here, for tests: domains, mailboxes and aliases in memory."""

from __future__ import annotations

from mailstack.letter import Address
from mailstack.store import StoreError


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
