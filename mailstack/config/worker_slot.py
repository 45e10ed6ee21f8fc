"""Worker slot: number of a process, its claim owner, its share of limits."""

from __future__ import annotations

from msgspec import Struct

MOST_WORKERS = 64


class WorkerSlot(Struct, frozen=True):
    """The workers of a server on one machine count from 1. A process that serves alone has the only seat."""

    number: int = 1
    count: int = 1
    node: str = ""
    """The name of this machine's part of a server that several share; empty: the server is here alone."""

    @property
    def keeps_house(self) -> bool:
        """Whether it does what one of them has to do for all."""
        return self.number == 1

    def owner(self, server: str) -> str:
        """The name that its claims are held under, the same after a crash."""
        return _owner(self._here(server), self.number) if self.count > 1 else self._here(server)

    def left_behind(self, server: str) -> list[str]:
        """Return the claim owners of slots that no longer exist, after a change of the number of workers."""
        if not self.keeps_house:
            return []
        server = self._here(server)
        if self.count == 1:
            return [_owner(server, number) for number in range(1, MOST_WORKERS + 1)]
        return [server, *(_owner(server, number) for number in range(self.count + 1, MOST_WORKERS + 1))]

    def _here(self, server: str) -> str:
        return f"{server}@{self.node}" if self.node else server

    def share(self, limit: int) -> int:
        """Its part of a limit that is the server's: the parts of all seats are the whole."""
        return limit // self.count + (self.number <= limit % self.count)


def _owner(server: str, number: int) -> str:
    # "#" is in no host name.
    return f"{server}#{number}"
