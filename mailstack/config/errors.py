"""Configuration errors: file, line, key, cause and cure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Problem(Struct, frozen=True):
    """Problem of a configuration that prevents the start."""

    where: str
    """The file, or the name of an environment variable."""
    line: int | None
    """Line number, from 1; None for a problem without a line, such as a missing key."""
    key: str
    """Dotted key, such as "relay.port"; empty for a problem of the whole file."""
    trouble: str
    cure: str = ""
    """Text to write instead, if known; else empty."""

    def __str__(self) -> str:
        where = self.where if self.line is None else f"{self.where}:{self.line}"
        trouble = f"{self.trouble}; {self.cure}" if self.cure else self.trouble
        return ": ".join(part for part in (where, self.key, trouble) if part)


class ConfigError(Exception):
    """Invalid configuration; str() has a line for each problem, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(map(str, self.problems)))


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Known name that is most like the word, at least by `likeness` (1.0: the same). None: no name."""
    # Only an error loads it.
    import difflib  # noqa: PLC0415

    return next(iter(difflib.get_close_matches(word, list(known), 1, likeness)), None)
