"""What an `smtpd` does with logins and letters."""

from __future__ import annotations

import hmac
import secrets
from abc import ABC, abstractmethod
from base64 import b64decode
from email.message import Message as EmailMessage
from typing import Any

from mailstack.testing.aiosmtpd.handlers import Message
from mailstack.testing.aiosmtpd.smtp import AuthResult, auth_mechanism


class Authenticator(ABC):
    """Knows who may log in."""

    @abstractmethod
    def validate(self, username: str, password: str) -> bool:
        """Whether this is the user's password."""

    @abstractmethod
    def verify(self, username: str) -> bool:
        """Whether there is such a user."""

    @abstractmethod
    def get_password(self, username: str) -> str:
        """The user's password, for mechanisms that never send it."""


class AuthMessage(Message):
    """Keeps the letters, and lets in whom the server's authenticator lets in: by PLAIN, LOGIN or CRAM-MD5."""

    def __init__(self, messages: list[EmailMessage], authenticator: Authenticator | None = None) -> None:
        super().__init__()
        self._messages = messages
        self._authenticator = authenticator

    def handle_message(self, message: EmailMessage) -> None:
        self._messages.append(message)

    async def auth_PLAIN(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802 - the mechanism's name
        """RFC 4616; name and password with a blank between them will do as well."""
        response = b64decode(args[1]) if len(args) > 1 else await server.challenge_auth("")
        if not isinstance(response, bytes):
            return AuthResult(success=False)
        words = response.decode(errors="replace").replace("\0", " ").split()
        return self._decided(words[0], words[-1]) if len(words) > 1 else AuthResult(success=False, handled=False)

    async def auth_LOGIN(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802 - the mechanism's name
        """Name and password, each asked for."""
        name = b64decode(args[1]) if len(args) > 1 else await server.challenge_auth("Username")
        password = await server.challenge_auth("Password") if isinstance(name, bytes) else None
        if not isinstance(name, bytes) or not isinstance(password, bytes):
            return AuthResult(success=False)
        return self._decided(name.decode(errors="replace"), password.decode(errors="replace"))

    @auth_mechanism("CRAM-MD5")
    async def auth_CRAM_MD5(self, server: Any, args: list[str]) -> AuthResult:  # noqa: ARG002, N802 - the mechanism's name
        """RFC 2195."""
        challenge = f"<{secrets.token_hex(16)}@{server.hostname}>".encode()
        response = await server.challenge_auth(challenge)
        if not isinstance(response, bytes):
            return AuthResult(success=False)
        name, _, digest = response.decode(errors="replace").rpartition(" ")
        known = self._authenticator.get_password(name) if self._authenticator is not None else None
        right = hmac.new((known or "").encode(), challenge, "md5").hexdigest()
        success = known is not None and hmac.compare_digest(right.encode(), digest.encode())
        return AuthResult(success=success, handled=False, auth_data=name)

    def _decided(self, name: str, password: str) -> AuthResult:
        success = self._authenticator is not None and self._authenticator.validate(name, password)
        return AuthResult(success=success, handled=False, auth_data=name)
