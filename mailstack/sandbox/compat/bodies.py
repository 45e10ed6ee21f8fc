"""Bodies of requests as clients of other tools write them: JSON whose names are in any case, as Go reads them, or forms."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from mailstack.web import json_body
from mailstack.web.http_values import HttpError, Request

T = TypeVar("T")

_OPAQUE = "headers"
"""Whose names are the client's."""
_DEEPEST = 10
MAX_VALUES = 50_000
"""Maximum values of a body that is no letter: it has `[web] max_body` octets at most."""


def taken(ask: Request, kind: type[T], max_values: int = MAX_VALUES, limits: str = "") -> T:
    """The body as a value of `kind`, whose names are in lower case. Raises Trouble 400 and 413, which say what is wrong."""
    try:
        return msgspec.convert(_folded(json_body.decode(ask.body, max_values, limits)), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise json_body.malformed(error) from None


def from_form(ask: Request) -> dict[str, list[str]] | None:
    """The fields of a form, by names in lower case: some clients send their JSON as one. None when it is none."""
    if ask.fields.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return None
    try:
        pairs = parse_qs(ask.body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise HttpError(400, f"The form can't be read: {error}") from None
    return {name.lower(): values for name, values in pairs.items()}


def _folded(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise HttpError(400, "The body is nested too deep.")
    if isinstance(value, dict):
        return {
            name.lower(): each if name.lower() == _OPAQUE else _folded(each, depth + 1) for name, each in value.items()
        }
    return [_folded(each, depth + 1) for each in value] if isinstance(value, list) else value
