"""Octets made from seeds as hypothesis likes: cut, joined, doubled, and sprinkled with the words of the languages."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

WORDS = (
    b"\r\n", b"\n", b"\r", b"\0", b".", b"\r\n.\r\n", b" ", b"\t", b'"', b"\\", b"<", b">", b"@", b"=", b"+", b":",
    b"(", b"--", b"\xff", "\u00e4".encode(), "\u2028".encode(), b"\xed\xa0\x80", b"0", b"9" * 30, "\u0662".encode(),
    "\u00b2".encode(), b"x" * 70,
)  # fmt: skip


def octets_like(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Pieces of the seeds, words and anything, in any order; the seeds themselves are the likeliest."""
    lines = sorted({line for seed in seeds for line in seed.splitlines(keepends=True)})
    piece = st.sampled_from(seeds) | st.sampled_from(lines or [b""]) | st.sampled_from(WORDS) | st.binary(max_size=8)
    return st.builds(
        _spliced,
        st.sampled_from(seeds),
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 20), piece), max_size=4),
    ) | st.lists(piece, max_size=12).map(b"".join)


def _spliced(seed: bytes, changes: Sequence[tuple[int, int, bytes]]) -> bytes:
    """The seed with pieces put in place of some of its octets."""
    for place, length, piece in changes:
        at = place % (len(seed) + 1)
        seed = seed[:at] + piece + seed[at + length :]
    return seed
