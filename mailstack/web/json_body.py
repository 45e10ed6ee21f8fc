"""JSON of a request's body: bounded in its number of values, and decoded in short steps."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from mailstack.web.http_values import HttpError

LONG = 65_536
"""Octets of a string from which on it is decoded by itself, so many of them in one go: meanwhile no other thread runs."""
_MAX_DEPTH = 32
"""Arrays and objects within each other; none that is taken here has more than 5."""
_BETWEEN = re.compile(rb"[^\",\[\]{}]*+")
# A string's octets up to its end, or to an escape that the end of the piece cuts in two.
_IN_STRING = re.compile(
    rb"(?:[^\"\\]++|\\[^u]|\\u(?:[0-9a-cA-CefEF]...|[dD][0-7]..|[dD][89abAB]..\\u[dD][c-fC-F]..))*+", re.DOTALL
)


def decode(body: bytes, max_values: int, limits: str = "") -> Any:
    """The value, unchecked. Raises Trouble 400 for what is no JSON, and 413 for more values than `max_values`.

    `limits` says where that number comes from, for people.
    """
    # No client can write what stands in place of a long string.
    mark = secrets.token_hex(16)
    skeleton, strings = _without_long_strings(body, max_values, mark, limits)
    try:
        value = msgspec.json.decode(skeleton)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    return _completed(value, strings) if strings else value


def convert(body: bytes, kind: Any, max_values: int, limits: str = "") -> Any:
    """The body as a value of `kind`. Raises as `decode`."""
    try:
        return msgspec.convert(decode(body, max_values, limits), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise malformed(error) from None


def malformed(error: Exception) -> HttpError:
    """What is answered to a body that can't be read."""
    return HttpError(400, f"The body is not what this takes: {error}")


def _without_long_strings(body: bytes, max_values: int, mark: str, limits: str) -> tuple[bytes, dict[str, str]]:
    """The same JSON with a mark in place of each long string, and these strings by their marks."""
    pieces: list[bytes] = []
    strings: dict[str, str] = {}
    kept = at = values = depth = 0
    while at < len(body):
        start = at
        at = _BETWEEN.match(body, at, at + LONG).end()  # type: ignore[union-attr]
        if at - start == LONG:
            raise malformed(ValueError(f"a number, or white space, has more than {LONG} octets"))
        sign = body[at : at + 1]
        if sign == b'"':
            end = _end_of_string(body, at + 1)
            if end - at > LONG:
                name = f"{mark}-{len(strings)}"
                pieces += [body[kept:at], f'"{name}"'.encode()]
                strings[name] = _decoded(body, at + 1, end - 1)
                kept = end
            at = end
            continue
        if sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
        if sign in (b"[", b"{", b","):
            values += 1
        if values > max_values:
            raise HttpError(413, f"The body has too many values: at most {max_values} are taken.{limits}")
        if depth > _MAX_DEPTH:
            raise HttpError(400, f"The body is nested too deep: at most {_MAX_DEPTH} levels are taken.")
        at += 1
    return b"".join([*pieces, body[kept:]]), strings


def _end_of_string(body: bytes, at: int) -> int:
    """Behind the closing quote of the string whose octets begin at `at`."""
    while True:
        end = _IN_STRING.match(body, at, at + LONG).end()  # type: ignore[union-attr]
        if body[end : end + 1] == b'"':
            return end + 1
        if end == at:
            raise malformed(ValueError("a string has no end, or an escape in it is none"))
        at = end


def _decoded(body: bytes, at: int, end: int) -> str:
    """The string whose octets these are."""
    pieces: list[str] = []
    while at < end:
        stop = _IN_STRING.match(body, at, min(at + LONG, end)).end()  # type: ignore[union-attr]
        while stop < end and body[stop] & 0xC0 == 0x80:
            # A character of UTF-8 is not cut.
            stop -= 1
        try:
            pieces.append(msgspec.json.decode(b'"%b"' % body[at:stop], type=str))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise malformed(error) from None
        if stop <= at:
            raise malformed(ValueError("a string is not in UTF-8"))
        at = stop
    return "".join(pieces)


def _completed(value: Any, strings: Mapping[str, str]) -> Any:
    """With the long strings back in their places."""
    if isinstance(value, str):
        return strings.get(value, value)
    if isinstance(value, list):
        return [_completed(each, strings) for each in value]
    if isinstance(value, dict):
        return {_completed(name, strings): _completed(each, strings) for name, each in value.items()}
    return value
