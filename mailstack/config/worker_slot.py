"""Worker slot: number of a process, its claim owner, its share of limits."""

from __future__ import annotations

from msgspec import Struct

from mailstack.config.model import Config
from mailstack.letter import Address

MAX_WORKERS = 64


class WorkerSlot(Struct, frozen=True):
    """Number of a worker process, from 1, and the number of workers; a single process has slot 1 of 1."""

    number: int = 1
    count: int = 1
    node: str = ""
    """Node name of a machine that shares the store with others; empty for a single machine."""

    @property
    def is_primary(self) -> bool:
        """Whether this worker does the work that only one of them may do."""
        return self.number == 1

    def owner(self, server: str) -> str:
        """Return the owner name of its claims, the same after a restart."""
        return _owner(self._here(server), self.number) if self.count > 1 else self._here(server)

    def stale_owners(self, server: str) -> list[str]:
        """Return the claim owners of slots that no longer exist, after a change of the number of workers."""
        if not self.is_primary:
            return []
        server = self._here(server)
        if self.count == 1:
            return [_owner(server, number) for number in range(1, MAX_WORKERS + 1)]
        return [server, *(_owner(server, number) for number in range(self.count + 1, MAX_WORKERS + 1))]

    def _here(self, server: str) -> str:
        return f"{server}@{self.node}" if self.node else server

    def share(self, limit: int) -> int:
        """Return its part of a limit of the server; the parts of all slots sum to `limit`."""
        return limit // self.count + (self.number <= limit % self.count)


def _owner(server: str, number: int) -> str:
    # "#" is in no host name.
    return f"{server}#{number}"


def are_sent(config: Config) -> bool:
    """Return whether TLS reports are sent. "auto" means: if a DKIM key signs for their author domain.

    Receivers must ignore unsigned reports (RFC 8460 §3).
    """
    if config.tls_reports.send != "auto":
        return config.tls_reports.send == "on"
    if not config.domains:
        return False
    author = author_of(config).ascii_domain.lower()
    domains = [domain for key in config.dkim.keys for domain in key.domains or config.domains]
    return any(author == domain or author.endswith(f".{domain}") for domain in domains)


def author_of(config: Config) -> Address:
    """Return the From address of TLS reports."""
    return config.tls_reports.author or Address("postmaster", config.domains[0])
