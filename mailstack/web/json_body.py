"""JSON decoder for large request bodies, with a limit on values and short steps."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from mailstack.web.http_messages import HttpError

PIECE = 65_536
"""Octets that are decoded in one step: longer strings are decoded in pieces, because a step holds the GIL."""
_MAX_DEPTH = 32
"""Maximum nesting of arrays and objects; no request of the API needs more than 5."""
_BETWEEN = re.compile(rb"[^\",\[\]{}]*+")
# Octets of a string up to its end, or to an escape that the end of the piece would split.
_IN_STRING = re.compile(
    rb"(?:[^\"\\]++|\\[^u]|\\u(?:[0-9a-cA-CefEF]...|[dD][0-7]..|[dD][89abAB]..\\u[dD][c-fC-F]..))*+", re.DOTALL
)


def decode(body: bytes, max_values: int, limits: str = "") -> Any:
    """Decode JSON. Raises HttpError 400 for invalid JSON, and 413 for more than `max_values` values.

    `limits` explains `max_values` in the message.
    """
    # The placeholder of a long string is random, so that no client can send it.
    mark = secrets.token_hex(16)
    skeleton, strings = _without_long_strings(body, max_values, mark, limits)
    try:
        value = msgspec.json.decode(skeleton)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    return _completed(value, strings) if strings else value


def convert(body: bytes, kind: Any, max_values: int, limits: str = "") -> Any:
    """Decode JSON as a value of `kind`. Raises as `decode`."""
    try:
        return msgspec.convert(decode(body, max_values, limits), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise malformed(error) from None


def malformed(error: Exception) -> HttpError:
    """Return the error response to an invalid body."""
    return HttpError(400, f"Invalid request body: {error}")


def _without_long_strings(body: bytes, max_values: int, mark: str, limits: str) -> tuple[bytes, dict[str, str]]:
    """Return the JSON with a placeholder for each long string, and the strings by placeholder."""
    pieces: list[bytes] = []
    strings: dict[str, str] = {}
    kept = at = values = depth = 0
    while at < len(body):
        start = at
        at = _BETWEEN.match(body, at, at + PIECE).end()  # type: ignore[union-attr]
        if at - start == PIECE:
            raise malformed(ValueError(f"a number or white space has more than {PIECE} octets"))
        sign = body[at : at + 1]
        if sign == b'"':
            end = _end_of_string(body, at + 1)
            if end - at > PIECE:
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
            raise HttpError(413, f"The body has too many values; the maximum is {max_values}.{limits}")
        if depth > _MAX_DEPTH:
            raise HttpError(400, f"The body is nested too deeply; the maximum is {_MAX_DEPTH} levels.")
        at += 1
    return b"".join([*pieces, body[kept:]]), strings


def _end_of_string(body: bytes, at: int) -> int:
    """Return the position after the closing quote of the string that starts at `at`."""
    while True:
        end = _IN_STRING.match(body, at, at + PIECE).end()  # type: ignore[union-attr]
        if body[end : end + 1] == b'"':
            return end + 1
        if end == at:
            raise malformed(ValueError("unterminated string or invalid escape"))
        at = end


def _decoded(body: bytes, at: int, end: int) -> str:
    """Decode the octets of a string."""
    pieces: list[str] = []
    while at < end:
        stop = _IN_STRING.match(body, at, min(at + PIECE, end)).end()  # type: ignore[union-attr]
        while stop < end and body[stop] & 0xC0 == 0x80:
            # Do not split a UTF-8 character.
            stop -= 1
        try:
            pieces.append(msgspec.json.decode(b'"%b"' % body[at:stop], type=str))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise malformed(error) from None
        if stop <= at:
            raise malformed(ValueError("a string is not valid UTF-8"))
        at = stop
    return "".join(pieces)


def _completed(value: Any, strings: Mapping[str, str]) -> Any:
    """Replace the placeholders by their strings."""
    if isinstance(value, str):
        return strings.get(value, value)
    if isinstance(value, list):
        return [_completed(each, strings) for each in value]
    if isinstance(value, dict):
        return {_completed(name, strings): _completed(each, strings) for name, each in value.items()}
    return value
