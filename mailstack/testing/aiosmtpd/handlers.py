"""Handlers for a Controller: discard messages, print them, parse them."""

from __future__ import annotations

import email
import sys
from abc import ABC, abstractmethod
from email.message import Message as EmailMessage
from typing import Any, TextIO

from mailstack.testing.aiosmtpd.smtp import Envelope, Session


class Sink:
    """Accepts and discards every message."""


class Debugging:
    """Prints every message."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        header, _, body = (envelope.content or b"").decode(errors="replace").partition("\r\n\r\n")
        lines = [*header.splitlines(), f"X-Peer: {session.peer!r}", "", *body.splitlines()]
        print("---- MESSAGE FOLLOWS ----", *lines, "---- END MESSAGE ----", sep="\n", file=self.stream)
        return "250 OK"


class Message(ABC):
    """Parses every message, adds header fields with its envelope, and calls `handle_message`."""

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.content or b"")
        message["X-Peer"] = str(session.peer)
        message["X-MailFrom"] = envelope.mail_from or ""
        message["X-RcptTo"] = ", ".join(envelope.rcpt_tos)
        self.handle_message(message)
        return "250 OK"

    @abstractmethod
    def handle_message(self, message: EmailMessage) -> None:
        """Processes one message."""
