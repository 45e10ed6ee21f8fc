"""Finds the name that was meant by one that is nearly right."""

from __future__ import annotations

from collections.abc import Iterable


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that is most like the word, if any is as like it as that (1.0: the same)."""
    # Only who mistyped something pays for the module.
    import difflib  # noqa: PLC0415

    return next(iter(difflib.get_close_matches(word, list(known), 1, likeness)), None)
