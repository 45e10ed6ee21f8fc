"""The values of MailHog's API, named in JSON as it names them."""

from __future__ import annotations

from msgspec import Struct, field


class Path(Struct, frozen=True, rename="pascal"):
    """A forward-path or reverse-path, taken apart."""

    relays: tuple[str, ...] | None
    mailbox: str
    domain: str
    params: str


class Content(Struct, frozen=True, rename="pascal"):
    """A letter or a part, with its body as it was sent."""

    headers: dict[str, list[str]]
    body: str
    size: int
    mime: Mime | None = field(name="MIME", default=None)


class Mime(Struct, frozen=True, rename="pascal"):
    parts: tuple[Content, ...]


class Raw(Struct, frozen=True, rename="pascal"):
    """What the client said."""

    from_: str = field(name="From")
    to: tuple[str, ...]
    data: str
    helo: str


class Message(Struct, frozen=True, rename="pascal"):
    id: str = field(name="ID")
    from_: Path = field(name="From")
    to: tuple[Path, ...]
    content: Content
    created: str
    mime: Mime | None = field(name="MIME")
    raw: Raw
