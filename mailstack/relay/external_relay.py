"""An outlet: the one server by which letters of an environment that is else cut off may really leave it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Literal

from mailstack.letter.header import fields, split
from mailstack.protocols.redacted import Redacted
from mailstack.relay.routes import Credentials, RouteTarget, SmartHost

_RETURN_PATH, _FROM = b"Return-Path", b"From"


class ExternalRelay(Redacted, frozen=True):
    """Where it is, and what it changes of letters. Addresses are bare."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)

    host: str
    port: int = 25
    tls: Literal["", "starttls", "implicit"] = ""
    believes_any: bool = False
    """Whether any certificate will do, and a password may go without TLS."""
    username: str = ""
    password: str = ""
    return_path: str = ""
    """The reverse-path of what is released; empty: its author."""
    override_from: str = ""
    """Author and reverse-path of all that leaves; empty: they stay."""
    allowed: str = ""
    """A regular expression that is found in each address that letters go to; empty: they go to all."""
    blocked: str = ""
    """One that is found in none of them."""
    keeps_message_id: bool = False
    """Whether what is released has its own Message-ID, and not a new one."""

    @property
    def smart_host(self) -> SmartHost:
        """As the relay has it."""
        credentials = Credentials(self.username, self.password) if self.username else None
        secured = self.tls and not self.believes_any
        demand: Literal["", "required", "verified", "opportunistic"] = (
            "verified" if secured else "required" if self.tls else "opportunistic"
        )
        return SmartHost(RouteTarget(self.host, self.port), self.tls == "implicit", credentials, demand)

    def takes(self, address: str) -> bool:
        return not self.is_blocked(address) and (not self.allowed or re.search(self.allowed, address) is not None)

    def is_blocked(self, address: str) -> bool:
        return bool(self.blocked) and re.search(self.blocked, address) is not None

    def relayed(self, sender: str, octets: bytes) -> tuple[str, bytes]:
        """The reverse-path and the letter as they leave."""
        if not self.override_from:
            return sender, octets
        return self.override_from, _set(octets, [(_FROM, self.override_from.encode())])

    def released(self, author: str, octets: bytes, date: bytes, message_id: bytes) -> tuple[str, bytes]:
        """The same of a letter that somebody sends on: it is of now. `date` and `message_id` are the values of fields."""
        changed = [(b"Date", date), *([] if self.keeps_message_id else [(b"Message-ID", message_id)])]
        if self.return_path:
            changed.append((_RETURN_PATH, b"<" + self.return_path.encode() + b">"))
        return self.relayed(self.return_path or author, _set(octets, changed))


def _set(octets: bytes, values: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The letter with these fields in place of the first of their name, or on top; nothing else of it moves."""
    end = split(octets)
    found = list(fields(octets[:end]))
    for name, value in values:
        place = next((at for at, (each, _) in enumerate(found) if each == name.lower()), None)
        field = (name.lower(), name + b": " + value + b"\r\n")
        if place is None:
            found.insert(0, field)
        else:
            found[place] = field
    return b"".join(field for _, field in found) + octets[end:]
