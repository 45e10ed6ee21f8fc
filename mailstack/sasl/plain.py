"""The PLAIN mechanism (RFC 4616)."""

from __future__ import annotations

from typing import ClassVar

from mailstack.sasl.mechanism import Challenge, Credentials, Malformed, text


class Plain:
    """One message: `[authzid] NUL authcid NUL passwd`."""

    name: ClassVar[str] = "PLAIN"

    def begin(self, initial: bytes | None) -> Challenge | Credentials:
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Challenge | Credentials:
        parts = response.split(b"\0")
        if len(parts) != 3:
            raise Malformed("PLAIN takes exactly two NULs")
        authzid, username, password = parts
        return Credentials(text(username), text(password), self.name, text(authzid) if authzid else "")
