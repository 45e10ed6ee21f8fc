"""Handler of an `smtpd`: stores messages, and decides about logins."""

from __future__ import annotations

import hmac
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from email.message import Message as EmailMessage

from mailstack.protocols.smtp.commands import Auth
from mailstack.testing.aiosmtpd.handlers import Message

Challenge = Callable[[bytes], Awaitable[bytes]]


class Authenticator(ABC):
    """Users and their passwords."""

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
    """Stores the messages, and accepts the logins that the authenticator accepts: by PLAIN, LOGIN or CRAM-MD5."""

    MECHANISMS = ("CRAM-MD5", "LOGIN", "PLAIN")

    def __init__(self, messages: list[EmailMessage], authenticator: Authenticator | None = None) -> None:
        self._messages = messages
        self._authenticator = authenticator

    def handle_message(self, message: EmailMessage) -> None:
        self._messages.append(message)

    async def authenticate(self, auth: Auth, challenge: Challenge) -> bool:
        """Whether the client proves its identity; `challenge` gives the response to a challenge."""
        if auth.mechanism == "CRAM-MD5":
            return await self._cram_md5(challenge)
        if auth.mechanism == "LOGIN":
            name = await challenge(b"Username") if auth.initial is None else auth.initial
            return self._validate([name, await challenge(b"Password")])
        # RFC 4616, or name and password with a blank between them, as smtpdfix has it.
        response = await challenge(b"") if auth.initial is None else auth.initial
        return self._validate(response.replace(b"\0", b" ").split())

    async def _cram_md5(self, challenge: Challenge) -> bool:
        """RFC 2195."""
        text = f"<{secrets.token_hex(16)}@localhost>".encode()
        name, _, digest = (await challenge(text)).rpartition(b" ")
        if self._authenticator is None:
            return False
        password = self._authenticator.get_password(name.decode(errors="replace"))
        return hmac.compare_digest(hmac.new(password.encode(), text, "md5").hexdigest().encode(), digest)

    def _validate(self, words: list[bytes]) -> bool:
        if self._authenticator is None or len(words) < 2:
            return False
        return self._authenticator.validate(words[0].decode(errors="replace"), words[-1].decode(errors="replace"))
