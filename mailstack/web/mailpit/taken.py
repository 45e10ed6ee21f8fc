"""What Mailpit's API takes: JSON whose names may be written in any case, as Go reads them."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct, field

from mailstack.web.asking import Ask, Trouble

T = TypeVar("T")

_OPAQUE = "headers"
"""Whose names are the client's."""


class Marking(Struct, frozen=True):
    """PUT /messages."""

    ids: tuple[str, ...] | None = None
    read: bool = False
    search: str | None = None


class Chosen(Struct, frozen=True):
    """DELETE /messages."""

    ids: tuple[str, ...] | None = None


class Tagging(Struct, frozen=True):
    """PUT /tags."""

    ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None


class Renaming(Struct, frozen=True):
    """PUT /tags/{Tag}."""

    name: str


class Person(Struct, frozen=True):
    email: str
    name: str = ""


class Attached(Struct, frozen=True):
    content: str
    """In base64, behind a data: prefix or not."""
    filename: str
    content_type: str = field(name="contenttype", default="")
    content_id: str = field(name="contentid", default="")


class Sending(Struct, frozen=True):
    """POST /send."""

    author: Person = field(name="from")
    to: tuple[Person, ...] | None = None
    cc: tuple[Person, ...] | None = None
    bcc: tuple[str, ...] | None = None
    reply_to: tuple[Person, ...] | None = field(name="replyto", default=None)
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: tuple[Attached, ...] | None = None
    tags: tuple[str, ...] | None = None
    headers: dict[str, str] | None = None


class Releasing(Struct, frozen=True):
    """POST /release."""

    to: tuple[str, ...]


class Trigger(Struct, frozen=True):
    """One of chaos: how often, in percent, a command is answered with an error."""

    error_code: int = field(name="errorcode", default=0)
    probability: int = 0


class Triggers(Struct, frozen=True):
    """PUT /chaos."""

    sender: Trigger | None = None
    recipient: Trigger | None = None
    authentication: Trigger | None = None


def taken(ask: Ask, kind: type[T]) -> T:
    """The body as a value of `kind`. Raises Trouble 400, which says where it is wrong."""
    try:
        return msgspec.convert(_folded(msgspec.json.decode(ask.body)), kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise Trouble(400, f"The body is not what this takes: {error}") from None


def from_form(ask: Ask) -> dict[str, list[str]] | None:
    """The fields of a form, by names in lower case: some clients send their JSON as one. None when it is none."""
    if ask.fields.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return None
    try:
        pairs = parse_qs(ask.body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise Trouble(400, f"The form can't be read: {error}") from None
    return {name.lower(): values for name, values in pairs.items()}


def _folded(value: Any, depth: int = 0) -> Any:
    if depth > 10:
        raise Trouble(400, "The body is nested too deep.")
    if isinstance(value, dict):
        return {
            name.lower(): each if name.lower() == _OPAQUE else _folded(each, depth + 1) for name, each in value.items()
        }
    return [_folded(each, depth + 1) for each in value] if isinstance(value, list) else value
