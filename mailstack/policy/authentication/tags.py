"""Tag lists of signatures, keys and policies (RFC 6376 §3.2)."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_BLANK = " \t\r\n"
_VALUE = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f;]*\Z")


class MalformedTags(ValueError):
    """The list does not follow the grammar; str() says where."""


def read_tags(text: str) -> dict[str, str]:
    """Each tag with its value, white space around both left out; names keep their case.

    Raises MalformedTags, also for a tag that stands there twice.
    """
    found: dict[str, str] = {}
    pieces = text.split(";")
    if not pieces[-1].strip(_BLANK):
        pieces.pop()
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name, value = name.strip(_BLANK), value.strip(_BLANK)
        if not equals or not _NAME.match(name) or not _VALUE.match(value):
            raise MalformedTags(f"no tag and value: {piece.strip(_BLANK)[:40]!r}")
        if name in found:
            raise MalformedTags(f"{name}= stands there twice")
        found[name] = value
    return found


def remove_blanks(value: str) -> str:
    """A value such as base64, that may be folded anywhere."""
    return "".join(value.split())


def items(value: str) -> list[str]:
    """Values between colons, as in h= and t=, in lower case."""
    return [item.strip(_BLANK).lower() for item in value.split(":")]
