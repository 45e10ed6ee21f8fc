"""What Mailpit's API takes; names in lower case, as `mailstack.sandbox.compat.bodies` reads them."""

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
