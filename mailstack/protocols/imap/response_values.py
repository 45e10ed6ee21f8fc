"""Values of IMAP data responses: lists, strings, atoms and NIL (RFC 3501 §4, §7)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailstack.protocols.imap.tokenizer import MAX_NESTING

Value = str | bytes | None | tuple["Value", ...]
"""Atom or number as str, string as bytes, NIL as None, list as tuple."""

# An atom may have a section in brackets: BODY[HEADER.FIELDS (Date)]<0>. Quantifiers are possessive against backtracking.
_TOKEN = re.compile(
    rb'(?P<blank> ++)|(?P<open>\()|(?P<close>\))|"(?P<quoted>(?:[^"\\\r\n]++|\\.)*+)"'
    rb"|(?P<literal>~?\{[0-9]++\}\Z)"
    rb'|(?P<atom>(?:[^\x00-\x20\x7f()"{\[\]]++|\[[^\]\r\n\x00]*+\])++)'
)
_ESCAPE = re.compile(rb"\\(.)")


class MalformedResponse(Exception):
    """Data that is not in the grammar of responses; str() is the reason."""


def parse_values(lines: Sequence[bytes], literals: Sequence[bytes]) -> tuple[Value, ...]:
    """Values of one response; each line but the last ends with the announcement of the literal at its index.

    Raises MalformedResponse.
    """
    stack: list[list[Value]] = [[]]
    waiting = iter(literals)
    for line in lines:
        at = 0
        while at < len(line):
            token = _TOKEN.match(line, at)
            if token is None:
                raise MalformedResponse("a value is malformed")
            at = token.end()
            kind = token.lastgroup
            if kind == "open":
                _open(stack)
            elif kind == "close":
                _close(stack)
            elif kind == "literal":
                stack[-1].append(next(waiting, b""))
            elif kind == "quoted":
                stack[-1].append(_ESCAPE.sub(rb"\1", token["quoted"]))
            elif kind == "atom":
                stack[-1].append(_atom(token["atom"]))
    if len(stack) > 1:
        raise MalformedResponse("a list does not end")
    return tuple(stack[0])


def _open(stack: list[list[Value]]) -> None:
    if len(stack) > MAX_NESTING:
        raise MalformedResponse("lists are nested too deeply")
    stack.append([])


def _close(stack: list[list[Value]]) -> None:
    values = tuple(stack.pop())
    if not stack:
        raise MalformedResponse("a list ends that did not begin")
    stack[-1].append(values)


def _atom(octets: bytes) -> str | None:
    text = octets.decode("utf-8", "replace")
    return None if text.upper() == "NIL" else text
