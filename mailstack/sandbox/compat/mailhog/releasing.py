"""What MailHog's release is given."""

from __future__ import annotations

from msgspec import Struct


class Releasing(Struct, frozen=True):
    """Who shall get it, and over which server."""

    email: str
    host: str = ""
    port: str = ""
    name: str = ""
    save: bool = False
    username: str = ""
    password: str = ""
    mechanism: str = ""
