"""What Mailpit's API takes; names in lower case, as `mailstack.web.bodies` reads them."""

from __future__ import annotations

from msgspec import Struct, field


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
