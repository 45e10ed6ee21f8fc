"""docs/reference/settings.md, from the model of the configuration and the comments of etc/mailstack.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from mailstack.config import Config
from mailstack.config.load import _BY_PATTERN, _expected, _without_none, is_table
from mailstack.config.values import READERS
from mailstack.letter.times import Duration

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reference" / "settings.md"
SOURCE = ROOT / "etc" / "mailstack.toml"

HEAD = """\
# Settings

Every setting of the configuration, with its default, its values and its environment variable. This page is generated from the model of the configuration and from [etc/mailstack.toml](../../etc/mailstack.toml): `python -m tests.reference` in a checkout does it. [Configuration](configuration.md) explains the file.
"""
KEY = re.compile(r"([a-z][a-z0-9_]*) = ")


def written() -> str:
    """The whole page."""
    preamble, *tables = re.split(r"^(?=\[[a-z_.]+\]$)", SOURCE.read_text(), flags=re.MULTILINE)
    introduction, _, top = preamble.partition("\n\n")
    parts = [HEAD, *_text(introduction.split("\n")[1:]), "## Top of the file\n", *_settings(top.split("\n"), ())]
    for table in tables:
        name, _, lines = table.partition("\n")
        parts += [f"## `{name}`\n", *_settings(lines.split("\n"), tuple(name.strip("[]").split(".")))]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip("\n") + "\n"


def _settings(lines: list[str], table: tuple[str, ...]) -> Iterator[str]:
    """Settings of one table, each group with the comment above it."""
    comment: list[str] = []
    group: list[str] = []
    for line in [*lines, "#"]:
        if KEY.match(line):
            group.append(line)
        elif group:
            yield from _group(group, comment, table)
            comment, group = [line], []
        elif line or not comment:
            comment.append(line)
        else:  # an empty line ends a comment about the whole table
            yield from _text(comment)
            comment = []
    yield from _text(comment[:-1])


def _group(lines: list[str], comment: list[str], table: tuple[str, ...]) -> Iterator[str]:
    names = [line.partition(" = ")[0] for line in lines]
    where = f"[{'.'.join(table)}] " if table else ""
    yield f"### `{where}{names[0]}`" + "".join(f", `{name}`" for name in names[1:]) + "\n"
    for name, line in zip(names, lines, strict=True):
        variable = "__".join(["MAILSTACK", *table, name]).upper().replace("MAILSTACK__", "MAILSTACK_", 1)
        yield f"* `{line}`: {_escaped(expected(field_of((*table, name)).type))}. `{variable}`"
    yield ""
    yield from _text(comment)
    for name in names:
        yield from _nested(name, field_of((*table, name)).type)


def _nested(name: str, kind: Any) -> Iterator[str]:
    """Keys of each table of a list of tables."""
    if get_origin(kind) is not tuple or not is_table(model := get_args(kind)[0]):
        return
    yield f"Keys of each table of `{name}`:\n"
    for field in msgspec.structs.fields(model):
        yield f"* `{field.encode_name}`: {_escaped(expected(field.type))}"
    yield ""


def field_of(path: tuple[str, ...]) -> msgspec.structs.FieldInfo:
    """Field of the model with this path. Raises StopIteration."""
    kind: Any = Config
    for name in path:
        field = next(each for each in msgspec.structs.fields(kind) if each.encode_name == name)
        kind = field.type
    return field


def expected(kind: Any) -> str:
    """Values of a type in the words of the error for a wrong one."""
    kind = _without_none(kind)
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        return "a list of tables" if is_table(inner) else f"a list; each item is {expected(inner)}"
    if kind is Duration:
        return "a duration"
    if kind in READERS:
        try:
            READERS[kind](object())
        except ValueError as error:
            # Without what is wrong with the text that was given.
            return re.sub(r" \((?:the domain|an address) [^)]*\)$", "", str(error))
    return _expected(kind)


def _text(lines: list[str]) -> Iterator[str]:
    """Paragraphs of a comment; lines that are set in are code."""
    code = False
    for line in (line.removeprefix("#").removeprefix(" ") for line in lines):
        if line.startswith("  ") != code:
            code = not code
            yield "\n```text" if code else "```\n"
        yield line.removeprefix("  ") if code else _escaped(line)
    if code:
        yield "```"
    if lines:
        yield ""


def _escaped(line: str) -> str:
    """Line of prose without characters that Markdown interprets, outside of its code."""
    pieces = line.split("`")
    pieces[::2] = [re.sub(r"([*_<\[\]])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def settings(model: type[Struct] = Config, *table: str) -> Iterator[str]:
    """Name of each setting in the headings of the page."""
    for field in msgspec.structs.fields(model):
        if is_table(field.type):
            yield from settings(field.type, *table, field.encode_name)
        elif field.type in _BY_PATTERN:
            yield f"## `[{'.'.join((*table, field.encode_name))}]`"
        else:
            yield (
                f"`{'__'.join(('MAILSTACK_' + table[0], *table[1:], field.encode_name)).upper()}`"
                if table
                else (f"`MAILSTACK_{field.encode_name.upper()}`")
            )
