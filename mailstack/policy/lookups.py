"""DNS queries of policies, answered in bounded time."""

from __future__ import annotations

from typing import Protocol


class Lookups(Protocol):
    """Every answer is None when the DNS could not say in time; a name that does not exist has no records."""

    async def addresses(self, host: str) -> tuple[str, ...] | None:
        """The IP addresses of a host."""

    async def exchanges(self, domain: str) -> tuple[str, ...] | None:
        """The hosts of a domain's MX records; "" is the root, which says that it takes no mail (RFC 7505)."""

    async def texts(self, name: str) -> tuple[str, ...] | None:
        """The TXT records of a name, each with its strings joined."""

    async def pointers(self, address: str) -> tuple[str, ...] | None:
        """The names that an IP address leads to (PTR)."""
