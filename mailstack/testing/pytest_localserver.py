"""Drop-in for pytest-localserver's `smtpserver` fixture and Server, on mailstack's SMTP engine.

In a conftest.py: `from mailstack.testing.pytest_localserver import smtpserver`, or run pytest with
`-p mailstack.testing.pytest_localserver`.
"""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest

from mailstack.testing.aiosmtpd import Controller, Envelope, Session

__all__ = ["Handler", "MessageDetails", "Server", "smtpserver"]


class MessageDetails:
    """Client address and envelope of a message."""

    def __init__(
        self,
        peer: Any,
        mailfrom: str | None,
        rcpttos: list[str],
        *,
        mail_options: list[str] | None = None,
        rcpt_options: list[str] | None = None,
    ) -> None:
        self.peer = peer
        self.mailfrom = mailfrom
        self.rcpttos = rcpttos
        if mail_options:
            self.mail_options = mail_options
        if rcpt_options:
            self.rcpt_options = rcpt_options


class Handler:
    """Stores every message."""

    def __init__(self) -> None:
        self.outbox: list[Message] = []

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        message: Any = email.message_from_bytes(envelope.original_content or b"")
        message.details = MessageDetails(session.peer, envelope.mail_from, envelope.rcpt_tos)
        self.outbox.append(message)
        return "250 OK"


class Server(Controller):
    """SMTP server that stores messages in `outbox`."""

    def __init__(self, host: str = "localhost", port: int = 0) -> None:
        super().__init__(Handler(), hostname=host, port=port, server_hostname=host)

    @property
    def outbox(self) -> list[Message]:
        """Received messages, each with `details` (peer, mailfrom, rcpttos)."""
        messages: list[Message] = self.handler.outbox
        return messages

    @property
    def addr(self) -> tuple[str, int]:
        """Host and port."""
        assert self.server is not None, "start() first"
        host, port, *_ = self.server.sockets[0].getsockname()
        return host, port

    def is_alive(self) -> bool:
        """Whether the server's thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def accepting(self) -> bool:
        """Whether the server accepts connections."""
        return self.server is not None and self.server.is_serving()

    def stop(self, timeout: float | None = None) -> None:  # noqa: ARG002 - it stops at once
        """Close the port and end the thread; does nothing unless it runs."""
        super().stop(no_assert=True)

    def __del__(self) -> None:
        if self.is_alive():
            self.stop()


@pytest.fixture
def smtpserver() -> Iterator[Server]:
    """A running Server, with `addr` and `outbox`."""
    server = Server()
    server.start()
    yield server
    server.stop()
