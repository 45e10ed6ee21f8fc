"""Memory budget shared by all slow uploads."""

from __future__ import annotations

ALWAYS_ALLOWED = 16_384
"""Octets that one may hold even when room is scarce: more than most header sections have."""


class MemoryBudget:
    """Counts octets that are held."""

    __slots__ = ("held", "most")

    def __init__(self, most: int = 67_108_864) -> None:
        """Beyond `most` octets room is scarce."""
        self.held = 0
        self.most = most

    @property
    def is_scarce(self) -> bool:
        """Whether each may hold no more than SMALL."""
        return self.held > self.most
