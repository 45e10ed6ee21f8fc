"""Sequence set of message numbers or UIDs (RFC 3501 §9, RFC 5182 §2.2)."""

from __future__ import annotations

from msgspec import Struct

STAR = 0
"""`*` in a range: the largest number in use."""


class SequenceSet(Struct, frozen=True):
    """Ranges as the client wrote them; both ends may be STAR and come in either order."""

    ranges: tuple[tuple[int, int], ...]
    is_saved: bool = False
    """`$`: the saved result of the last SEARCH; then `ranges` is empty."""
