"""The LOGIN mechanism (draft-murchison-sasl-login-00): obsolete, and still the only one that some clients speak."""

from __future__ import annotations

from typing import ClassVar

from mailstack.sasl.mechanism import Challenge, Credentials, text


class Login:
    """Two questions: the user name, then the password."""

    name: ClassVar[str] = "LOGIN"

    def __init__(self) -> None:
        self._username: str | None = None

    def begin(self, initial: bytes | None) -> Challenge | Credentials:
        # The draft has no initial response, but clients send the user name as one.
        return Challenge(b"Username:") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Challenge | Credentials:
        if self._username is None:
            self._username = text(response)
            return Challenge(b"Password:")
        return Credentials(self._username, text(response), self.name)
