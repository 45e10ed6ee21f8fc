"""A Seat: which of an office's processes this one is, and what part of each limit of its machine is its own."""

from __future__ import annotations

from msgspec import Struct

MOST_WORKERS = 64


class WorkerSlot(Struct, frozen=True):
    """The workers of an office on one machine count from 1. A process that serves alone has the only seat."""

    number: int = 1
    count: int = 1
    node: str = ""
    """The name of this machine's part of an office that several share; empty: the office is here alone."""

    @property
    def keeps_house(self) -> bool:
        """Whether it does what one of them has to do for all."""
        return self.number == 1

    def owner(self, office: str) -> str:
        """The name that its claims are held under, the same after a crash."""
        return _owner(self._here(office), self.number) if self.count > 1 else self._here(office)

    def left_behind(self, office: str) -> list[str]:
        """Owners of claims from when there were more workers, or fewer: nobody has these seats any more."""
        if not self.keeps_house:
            return []
        office = self._here(office)
        if self.count == 1:
            return [_owner(office, number) for number in range(1, MOST_WORKERS + 1)]
        return [office, *(_owner(office, number) for number in range(self.count + 1, MOST_WORKERS + 1))]

    def _here(self, office: str) -> str:
        return f"{office}@{self.node}" if self.node else office

    def share(self, limit: int) -> int:
        """Its part of a limit that is the office's: the parts of all seats are the whole."""
        return limit // self.count + (self.number <= limit % self.count)


def _owner(office: str, number: int) -> str:
    # "#" is in no host name.
    return f"{office}#{number}"
