"""Comparison of texts without regard to case, for SEARCH and SORT (RFC 5051)."""

from __future__ import annotations

from unicodedata import normalize


def folded(text: str) -> str:
    """Form of a text in which a substring is found in any case, composed or not."""
    if text.isascii():
        return text.lower()
    return normalize("NFKC", normalize("NFKC", text).casefold())


def casemap(text: str) -> str:
    """Form of a text for its order: i;unicode-casemap, with the letters before `[` and `_` (RFC 5051 §2)."""
    return text.upper() if text.isascii() else normalize("NFKD", text.upper())
