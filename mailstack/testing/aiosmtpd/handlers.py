"""Ready-made handlers: print letters, drop them, hand them on as messages, keep them in a Maildir, pass them on."""

from __future__ import annotations

import asyncio
import logging
import mailbox
import os
import smtplib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from email import message_from_bytes, message_from_string
from email.message import Message as EmailMessage
from typing import Any, TextIO

from mailstack.testing.aiosmtpd.values import Envelope, Session

__all__ = ["AsyncMessage", "Debugging", "Mailbox", "Message", "Proxy", "Sink"]

log = logging.getLogger("mail.debug")

MessageClass = Callable[[], EmailMessage]


class Debugging:
    """Prints each letter."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        content = envelope.content or b""
        text = content if isinstance(content, str) else content.decode("utf-8", "replace")
        header, _, body = text.partition("\r\n\r\n")
        lines = ["---------- MESSAGE FOLLOWS ----------"]
        if envelope.mail_options:
            lines += [f"mail options: {envelope.mail_options}", ""]
        lines += [*header.splitlines(), f"X-Peer: {session.peer!r}", "", *body.splitlines()]
        print(*lines, "------------ END MESSAGE ------------", sep="\n", file=self.stream)
        return "250 OK"


class Sink:
    """Takes everything, and drops it."""


class _Prepared:
    def __init__(self, message_class: MessageClass | None = None) -> None:
        self.message_class = message_class

    def prepare_message(self, session: Session, envelope: Envelope) -> EmailMessage:
        """The letter as an object of the `email` package, with fields that tell its envelope."""
        make: Any = self.message_class
        message: EmailMessage
        if isinstance(envelope.content, str):
            message = message_from_string(envelope.content, make)
        else:
            message = message_from_bytes(envelope.content or b"", make)
        message["X-Peer"] = str(session.peer)
        message["X-MailFrom"] = envelope.mail_from or ""
        message["X-RcptTo"] = ", ".join(envelope.rcpt_tos)
        return message


class Message(_Prepared, ABC):
    """Hands each letter to `handle_message`."""

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        self.handle_message(self.prepare_message(session, envelope))
        return "250 OK"

    @abstractmethod
    def handle_message(self, message: EmailMessage) -> None:
        """Do with it what is to be done."""


class AsyncMessage(_Prepared, ABC):
    """Hands each letter to `handle_message`, a coroutine."""

    def __init__(
        self, message_class: MessageClass | None = None, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(message_class)
        self.loop = loop

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        await self.handle_message(self.prepare_message(session, envelope))
        return "250 OK"

    @abstractmethod
    async def handle_message(self, message: EmailMessage) -> None:
        """Do with it what is to be done."""


class Mailbox(Message):
    """Keeps letters in a Maildir."""

    def __init__(self, mail_dir: str | os.PathLike[str], message_class: MessageClass | None = None) -> None:
        super().__init__(message_class)
        self.mail_dir = mail_dir
        self.mailbox = mailbox.Maildir(mail_dir)

    def handle_message(self, message: EmailMessage) -> None:
        self.mailbox.add(message)

    def reset(self) -> None:
        """Empty it."""
        self.mailbox.clear()


class Proxy:
    """Passes each letter on to another server, and takes it whatever that one says."""

    def __init__(self, remote_hostname: str, remote_port: int) -> None:
        self._hostname = remote_hostname
        self._port = remote_port

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        octets = envelope.original_content or b""
        header, blank, body = octets.partition(b"\r\n\r\n")
        peer = f"X-Peer: {session.peer[0] if session.peer else ''}".encode()
        sender = "" if envelope.mail_from in {None, "<>"} else str(envelope.mail_from)
        marked = header + b"\r\n" + peer + (blank or b"\r\n\r\n") + body
        await asyncio.to_thread(self._deliver, sender, envelope.rcpt_tos, marked)
        return "250 OK"

    def _deliver(self, sender: str, recipients: list[str], octets: bytes) -> None:
        try:
            with smtplib.SMTP(self._hostname, self._port, timeout=30) as client:
                refused = client.sendmail(sender, recipients, octets)
            if refused:
                log.info("%s port %d refused %s", self._hostname, self._port, refused)
        except (OSError, smtplib.SMTPException):
            log.exception("%s port %d did not take a letter", self._hostname, self._port)
