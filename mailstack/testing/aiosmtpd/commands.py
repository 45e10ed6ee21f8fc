"""What each command of a client is answered: by a hook of the handler, or as a server without hooks does."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from mailstack.smtp.commands import (
    Auth,
    Chunk,
    Data,
    EndOfData,
    Expand,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rejected,
    Reset,
    StartTls,
    Verify,
)
from mailstack.smtp.extensions.extension import Extension, agree
from mailstack.testing.aiosmtpd.authenticating import Authenticating
from mailstack.testing.aiosmtpd.values import MISSING, Envelope, Session


class TLSSetupException(Exception):
    """The handshake after STARTTLS failed."""


class Commands(Authenticating):
    """The part of SMTP that answers; `_DOORS` says which coroutine answers which command."""

    loop: asyncio.AbstractEventLoop
    hostname: str
    enable_SMTPUTF8: bool  # noqa: N815 - aiosmtpd's name
    tls_context: ssl.SSLContext | None
    transport: Any
    _hooks: dict[str, Any]
    _offered: tuple[Extension, ...]
    _decode_data: bool
    _unknown_left: int
    _tls: bool
    _tls_okay: bool
    _offer: Callable[[], None]

    async def _hook(self, command: str, *arguments: Any) -> Any:
        hook = self._hooks.get(command)
        return MISSING if hook is None else await hook(self, self.session, self.envelope, *arguments)

    async def _hello(self, hello: Hello) -> None:
        self.envelope = Envelope()
        self.session.extended_smtp = hello.extended
        if not hello.extended:
            status = await self._hook("HELO", hello.domain)
            if status is MISSING:
                self.session.host_name, status = hello.domain, f"250 {self.hostname}"
            self._answer(status)
            return
        self._offer()
        lines = [f"250-{line}" for line in (self.hostname, *agree(self._offered, self._engine).keywords)] + ["250 HELP"]
        if "EHLO" not in self._hooks:
            self.session.host_name = hello.domain
        elif len(inspect.signature(self._hooks["EHLO"]).parameters) == 4:
            lines[-1] = await self._hook("EHLO", hello.domain)
        else:
            lines = await self._hook("EHLO", hello.domain, lines)
        self._answer("\r\n".join(lines))

    async def _mail(self, mail: Mail) -> None:
        address = "<>" if mail.sender is None else str(mail.sender)
        options = [f"SIZE={mail.size}"] if mail.size is not None else []
        options += [f"BODY={mail.body}"] if mail.body != "7BIT" else []
        options += [f"{name}={value}" if value else name for name, value in mail.parameters]
        self.envelope = Envelope()
        self.envelope.smtp_utf8 = mail.smtputf8
        status = await self._hook("MAIL", address, options)
        if status is MISSING:
            self.envelope.mail_from, status = address, "250 OK"
            self.envelope.mail_options.extend(options)
        self._answer(status)

    async def _rcpt(self, rcpt: Rcpt) -> None:
        address = str(rcpt.address)
        options = [f"{name}={value}" if value else name for name, value in rcpt.parameters]
        status = await self._hook("RCPT", address, options)
        if status is MISSING:
            self.envelope.rcpt_tos.append(address)
            self.envelope.rcpt_options.extend(options)
            status = "250 OK"
        self._answer(status)

    async def _data(self, _: Data) -> None:
        self._answer("354 End data with <CR><LF>.<CR><LF>")
        pieces: list[bytes] = []
        while True:
            event = await self._peer.next_event(self._timeout)
            if isinstance(event, EndOfData):
                break
            if not isinstance(event, Chunk):
                return
            pieces.append(event.octets)
        self._owes = True
        envelope = self.envelope
        if event.fault is not None:
            self.envelope = Envelope()
            self._answer(f"{event.fault.code} {event.fault.text}")
            return
        envelope.original_content = octets = b"".join(pieces)
        envelope.content = self._decoded(octets) if self._decode_data else octets
        try:
            status = await self._hook("DATA")
        finally:
            self.envelope = Envelope()
        self._answer("250 OK" if status is MISSING else status)

    def _decoded(self, octets: bytes) -> str:
        return octets.decode("utf-8", "surrogateescape") if self.enable_SMTPUTF8 else octets.decode("ascii")

    async def _rset(self, _: Reset) -> None:
        self.envelope = Envelope()
        status = await self._hook("RSET")
        self._answer("250 OK" if status is MISSING else status)

    async def _noop(self, _: Noop) -> None:
        status = await self._hook("NOOP", None)
        self._answer("250 OK" if status is MISSING else status)

    async def _help(self, _: Help) -> None:
        self._answer("250 Supported commands: AUTH DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY")

    async def _vrfy(self, verify: Verify) -> None:
        status = await self._hook("VRFY", verify.argument.strip().removeprefix("<").removesuffix(">"))
        usual = "252 Cannot VRFY user, but will accept message and attempt delivery"
        self._answer(usual if status is MISSING else status)

    async def _expn(self, _: Expand) -> None:
        self._answer("502 EXPN not implemented")

    async def _quit(self, _: Quit) -> None:
        status = await self._hook("QUIT")
        self._answer("221 Bye" if status is MISSING else status)

    async def _starttls(self, _: StartTls) -> None:
        assert self.tls_context is not None, "the engine takes STARTTLS only where it is offered"
        self._answer("220 Ready to start TLS")
        try:
            await self._peer.start_tls(self, self.tls_context)
        except OSError as error:
            raise TLSSetupException from error
        self.transport = self._peer.transport
        peer, self.session, self.envelope = self.session.peer, Session(self.loop), Envelope()
        self.session.peer, self.session.ssl = peer, ssl_facts(self.transport)
        self._tls = True
        self._offer()
        if (hook := self._hooks.get("STARTTLS")) is not None:
            self._tls_okay = bool(hook(self, self.session, self.envelope))

    async def _rejected(self, rejected: Rejected) -> None:
        if rejected.reply.code == 500:
            self._unknown_left -= 1
            if not self._unknown_left:
                self._answer("502 5.5.1 Too many unrecognized commands, goodbye.")
                return
        if self.session.authenticated and verb_of(rejected) == "AUTH":
            self._answer("503 Already authenticated")
            return
        self._answer(f"{rejected.reply.code} {rejected.reply.text}")

    _DOORS: ClassVar[dict[type, Callable[[Any, Any], Awaitable[None]]]] = {
        Hello: _hello,
        Mail: _mail,
        Rcpt: _rcpt,
        Data: _data,
        Reset: _rset,
        Noop: _noop,
        Help: _help,
        Verify: _vrfy,
        Expand: _expn,
        Quit: _quit,
        StartTls: _starttls,
        Auth: Authenticating.authenticate,
        Rejected: _rejected,
    }


_VERBS: Mapping[type, str] = {
    Mail: "MAIL",
    Rcpt: "RCPT",
    Data: "DATA",
    Reset: "RSET",
    Noop: "NOOP",
    Help: "HELP",
    Verify: "VRFY",
    Expand: "EXPN",
    Quit: "QUIT",
    StartTls: "STARTTLS",
    Auth: "AUTH",
}


def verb_of(event: Any) -> str:
    if isinstance(event, Hello):
        return "EHLO" if event.extended else "HELO"
    if isinstance(event, Rejected):
        return event.line.split(b" ")[0].strip().decode("ascii", "replace").upper()
    return _VERBS[type(event)]


def ssl_facts(transport: Any) -> dict[str, Any]:
    return {
        name: transport.get_extra_info(name)
        for name in ("ssl_object", "sslcontext", "peercert", "cipher", "compression")
    }
