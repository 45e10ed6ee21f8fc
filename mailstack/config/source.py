"""Sources of settings, a TOML file and environment variables, and problems in them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

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
"""Names from the top table down: ("relay", "schedule", "first")."""

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
    """Line, from 1, of every table and key of a valid TOML text, except in inline tables and arrays."""
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
    """Line of a key, or of its nearest table in the file."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _key(text: str, position: int) -> tuple[KeyPath, int]:
    """A dotted key, and the position of its end."""
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
    """Return the end of the value after `position`: a newline outside strings and brackets."""
    depth = 0
    while found := _PIECE.match(text, position):
        piece = found.group()
        if piece == "\n" and depth <= 0:
            return position
        depth += (piece in "[{") - (piece in "]}")
        position = found.end()
    return len(text)


PREFIX = "MAILSTACK_"

_PLACE = re.compile(r"(.*) \(at (?:line ([0-9]+), column [0-9]+|end of document)\)\Z", re.DOTALL)


class ConfigSource(Struct, frozen=True):
    """Settings as given, with the origin of each."""

    file: str
    """Path of the file, as given by the user; empty without a file."""
    given: dict[str, Any]
    lines: dict[KeyPath, int]
    variables: dict[KeyPath, str]
    """Environment variable of each setting from the environment. Its value is text, also for other types."""

    def problem(self, path: KeyPath, trouble: str, cure: str = "", item: str = "") -> Problem:
        """Problem of the setting `path`; `item` is the part of its value, such as "[2]"."""
        key = ".".join(name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"' for name in path) + item
        for length in range(len(path), 0, -1):
            if path[:length] in self.variables:
                return Problem(self.variables[path[:length]], None, key, trouble, cure)
        if path not in self.lines:
            # A table that is not in the file comes from variables.
            for inner, name in self.variables.items():
                if inner[: len(path)] == path:
                    return Problem(name, None, key, trouble, cure)
        return Problem(self.file, line_of(self.lines, path), key, trouble, cure)


def read_source(
    path: Path | None, environ: Mapping[str, str], tables: frozenset[str], keys: frozenset[str]
) -> ConfigSource:
    """Read the file, if any, and the variables. `tables` and `keys` are the known names at the top.

    Raises ConfigError when the file cannot be read or is not TOML.
    """
    text = "" if path is None else _read(path)
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(path, text, error)]) from None
    source = ConfigSource("" if path is None else str(path), given, key_lines(text), {})
    for name in sorted(environ):
        keypath = tuple(name[len(PREFIX) :].lower().split("__"))
        if name.startswith(PREFIX) and _is_setting(keypath, tables, keys):
            _set_nested(given, keypath, environ[name])
            source.variables[keypath] = name
    return source


def _is_setting(path: KeyPath, tables: frozenset[str], keys: frozenset[str]) -> bool:
    """Returns whether a variable is a setting, perhaps a mistyped one.

    Container platforms set similar names for the ports of a service "mailstack". So a name without a table counts only
    if it equals or resembles a setting.
    """
    return closest(path[0], tables if len(path) > 1 else keys | tables, 0.8) is not None


def _set_nested(given: dict[str, Any], path: KeyPath, value: str) -> None:
    """Set a value in nested tables, unless a parent is no table; the conversion reports that."""
    for name in path[:-1]:
        given = given.setdefault(name, {})
        if not isinstance(given, dict):
            return
    given[path[-1]] = value


def _read(path: Path) -> str:
    try:
        octets = path.read_bytes()
    except OSError as error:
        trouble, cure = f"cannot be read: {error.strerror}", "-c FILE names the configuration"
        raise ConfigError([Problem(str(path), None, "", trouble, cure)]) from None
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), line, "", "is not UTF-8", "save the file in that encoding")]) from None


def _syntax_problem(path: Path | None, text: str, error: Exception) -> Problem:
    """Error of `tomllib` and its line."""
    found = _PLACE.fullmatch(str(error))
    trouble, line = (found.group(1), found.group(2)) if found else (str(error), None)
    number = int(line) if line else text.count("\n") + 1
    cure = 'put text in quotes, as in name = "value"' if trouble == "Invalid value" else ""
    return Problem(str(path), number, "", f"is not TOML: {trouble}", cure)
