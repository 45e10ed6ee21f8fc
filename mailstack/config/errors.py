"""Configuration errors: file, line, key, cause and cure."""

from __future__ import annotations

import re
import tomllib
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


KeyPath = tuple[str, ...]
"""The names from the top down: ("relay", "schedule", "first")."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_NAME = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'  # a multi-line string may end in two quotes of its own
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[\]{}\n]"
    r"|[^\"'#\[\]{}\n]+",
    re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every table and key of a text that `tomllib` has accepted.

    Keys inside an inline table, and items of arrays, are not listed: they stand on, or under, the line of their key.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    position = _skip(_BLANK, text, 0)
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        if text[position] == "[":
            position += 2 if text.startswith("[[", position) else 1
            table, position = _key(text, position)
            path = table
        else:
            key, position = _key(text, position)
            path = table + key
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], line)
        position = _skip(_BLANK, text, _end_of_value(text, position))
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of the key, or of the nearest table above it that is written somewhere."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _key(text: str, position: int) -> tuple[KeyPath, int]:
    """A dotted key and where it ends."""
    names = []
    while found := _NAME.match(text, _skip(_SPACE, text, position)):
        written = found.group()
        names.append(tomllib.loads(f"name = {written}")["name"] if written[0] in "\"'" else written)
        position = _skip(_SPACE, text, found.end())
        if not text.startswith(".", position):
            break
        position += 1
    return tuple(names), position


def _end_of_value(text: str, position: int) -> int:
    """Return the end of the statement with a key that ends at `position`: a newline outside strings and brackets."""
    depth = 0
    while found := _PIECE.match(text, position):
        piece = found.group()
        if piece == "\n" and depth <= 0:
            return position
        depth += (piece in "[{") - (piece in "]}")
        position = found.end()
    return len(text)
