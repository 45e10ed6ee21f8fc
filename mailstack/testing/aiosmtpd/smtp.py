"""SMTP server connection on asyncio; a handler's hooks make the replies."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from dataclasses import dataclass, field
from typing import Any

from mailstack import __version__
from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.smtp import commands
from mailstack.protocols.smtp.extensions import OFFERED
from mailstack.protocols.smtp.extensions.extension import Capabilities, agree
from mailstack.protocols.smtp.replies import Reply
from mailstack.protocols.smtp.server import ServerEngine

KEYWORDS = {"PIPELINING", "SIZE", "STARTTLS", "AUTH", "8BITMIME", "SMTPUTF8"}
EXTENSIONS = tuple(extension for extension in OFFERED if extension.keyword in KEYWORDS)
"""Extensions announced by EHLO; STARTTLS and AUTH only if the capabilities of a subclass have them."""


@dataclass
class Session:
    """One connection: the client's address, TLS object and EHLO name."""

    peer: Any
    ssl: Any = None
    host_name: str | None = None
    extended_smtp: bool = False


@dataclass
class Envelope:
    """One transaction; `content` and `original_content` are the same octets."""

    mail_from: str | None = None
    mail_options: list[str] = field(default_factory=list)
    smtp_utf8: bool = False
    rcpt_tos: list[str] = field(default_factory=list)
    rcpt_options: list[str] = field(default_factory=list)
    content: bytes | None = None
    original_content: bytes | None = None


class SMTP(asyncio.Protocol):
    """Server side of one connection. The hooks `handle_EHLO`, `handle_MAIL` … are coroutines that return a reply line."""

    def __init__(
        self,
        handler: Any,
        *,
        hostname: str | None = None,
        data_size_limit: int | None = 2**25,
        enable_SMTPUTF8: bool = True,  # noqa: N803 - aiosmtpd's name
        timeout: float = 300,
    ) -> None:
        self.event_handler = handler
        self.hostname = hostname or socket.getfqdn()
        withheld = frozenset[str]() if enable_SMTPUTF8 else frozenset({"SMTPUTF8"})
        self.capabilities = Capabilities(self.hostname, max_size=data_size_limit or 0, withheld=withheld)
        self.transport: Any = None
        self._timeout = timeout
        self._hooks = {name[7:]: getattr(handler, name) for name in dir(handler) if name.startswith("handle_")}
        self._engine = ServerEngine(self.capabilities, EXTENSIONS)
        self._arrived = asyncio.Event()
        self._conversation: Any = None

    def connection_made(self, transport: Any) -> None:
        """Starts the session; a second call starts another one on the same connection, under TLS."""
        self.transport = transport
        self.session = Session(transport.get_extra_info("peername"), transport.get_extra_info("ssl_object"))
        self.envelope = Envelope()
        self._engine.tls = self.session.ssl is not None
        self._conversation = self._conversation or asyncio.get_running_loop().create_task(self._converse())

    def data_received(self, data: bytes) -> None:
        self._engine.receive(data)
        self._arrived.set()
        # Reading resumes when the next command is awaited: this bounds the memory of a client that pipelines.
        self.transport.pause_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self._conversation.cancel()

    def answer(self, status: Any) -> None:
        """Replies to the current command. Raises ValueError if `status` is no reply line."""
        if not isinstance(status, str) or not re.match(r"[2-5]\d\d(?: |-|\Z)", status):
            raise ValueError(f"a hook must return a reply such as '250 OK', not {status!r}")
        self._engine.answer(Reply(int(status[:3]), ""))
        self.transport.write(status.encode(errors="replace") + b"\r\n")

    async def next_event(self) -> commands.ServerEvent:
        """The client's next command or piece of content; a client that sends nothing for `timeout` is disconnected."""
        while (event := self._engine.next_event()) is NEED_DATA:
            self._arrived.clear()
            self.transport.resume_reading()
            timer = asyncio.get_running_loop().call_later(self._timeout, self.transport.close)
            await self._arrived.wait()
            timer.cancel()
        assert not isinstance(event, Signal), "a reply is missing"
        return event

    async def _converse(self) -> None:
        self.transport.write(self._engine.greet(Reply(220, f"{self.hostname} mailstack {__version__}")))
        event = None
        try:
            while not isinstance(event, commands.Quit):
                event = await self.next_event()
                await self.handle(event)
        finally:
            self.transport.close()

    async def handle(self, event: commands.ServerEvent) -> None:
        """Answers one command, also if a hook raises an exception."""
        try:
            self.answer(await self.reply_to(event))
        except Exception as error:  # noqa: BLE001 - whatever a hook raises
            try:
                self.answer(await self._hooks["exception"](error))
            except Exception:
                logging.getLogger("mail.log").exception("error in a handler", exc_info=error)
                self.answer(f"500 Error: ({type(error).__name__}) {' '.join(str(error).split())}")

    async def _ask(self, hook: str, default: Any, *arguments: Any) -> Any:
        """Result of a hook; `default` if the handler has none of this name."""
        if hook not in self._hooks:
            return default
        return await self._hooks[hook](self, self.session, self.envelope, *arguments)

    async def reply_to(self, event: commands.ServerEvent) -> Any:  # noqa: C901, PLR0911 - a table
        """Reply line to one command."""
        match event:
            case commands.Hello():
                return await self._hello(event)
            case commands.Mail():
                return await self._mail(event)
            case commands.Rcpt():
                if "RCPT" not in self._hooks:
                    self.envelope.rcpt_tos.append(str(event.address))
                return await self._ask("RCPT", "250 OK", str(event.address), [])
            case commands.Data():
                return await self._data()
            case commands.Reset():
                self.envelope = Envelope()
                return await self._ask("RSET", "250 OK")
            case commands.Noop():
                return await self._ask("NOOP", "250 OK", None)
            case commands.Verify():
                return await self._ask("VRFY", "252 Cannot VRFY user", event.argument.strip(" <>"))
            case commands.Quit():
                return await self._ask("QUIT", "221 Bye")
            case commands.Rejected():
                return f"{event.reply.code} {event.reply.text}"
        return "502 Command not implemented"

    async def _hello(self, hello: commands.Hello) -> Any:
        self.envelope = Envelope()
        self.session.extended_smtp = hello.extended
        hook = "EHLO" if hello.extended else "HELO"
        if hook not in self._hooks:
            self.session.host_name = hello.domain
        if not hello.extended:
            return await self._ask(hook, f"250 {self.hostname}", hello.domain)
        keywords = agree(EXTENSIONS, self._engine).keywords
        lines = [*(f"250-{line}" for line in (self.hostname, *keywords)), "250 HELP"]
        return "\r\n".join(await self._ask(hook, lines, hello.domain, lines))

    async def _mail(self, mail: commands.Mail) -> Any:
        address = "<>" if mail.sender is None else str(mail.sender)
        options = [f"SIZE={mail.size}"] if mail.size is not None else []
        options += [f"BODY={mail.body}"] if mail.body != "7BIT" else []
        options += [f"{name}={value}" if value else name for name, value in mail.parameters]
        self.envelope = Envelope(smtp_utf8=mail.smtputf8)
        if "MAIL" not in self._hooks:
            self.envelope.mail_from, self.envelope.mail_options = address, options
        return await self._ask("MAIL", "250 OK", address, options)

    async def _data(self) -> Any:
        self.answer("354 End data with <CR><LF>.<CR><LF>")
        pieces: list[bytes] = []
        while isinstance(event := await self.next_event(), commands.Chunk):
            pieces.append(event.octets)
        assert isinstance(event, commands.EndOfData)
        if event.fault is not None:
            return f"{event.fault.code} {event.fault.text}"
        self.envelope.content = self.envelope.original_content = b"".join(pieces)
        return await self._ask("DATA", "250 OK")
