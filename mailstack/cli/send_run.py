"""Submission of a letter by `mailstack send`: server, envelope, SMTP session and reply."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import click
from msgspec import Struct
from msgspec.structs import replace

from mailstack.cli.argument_types import read_password
from mailstack.cli.compose import compose, header_addresses, is_utf8, read_file, with_crlf
from mailstack.cli.output import CommandError, print_json
from mailstack.cli.runner import run_reactor
from mailstack.cli.target import TargetServer
from mailstack.letter import Address, AddressError, Envelope, Recipient
from mailstack.letter.envelope import HostPort
from mailstack.letter.header import split
from mailstack.letter.letter import Octets
from mailstack.letter.times import clean
from mailstack.net.certificates import TlsError
from mailstack.net.connector import TwistedConnector
from mailstack.protocols.connection import ConnectFailed, Peer
from mailstack.protocols.log import Redacted
from mailstack.protocols.smtp.client import ClientEngine, ClientEvent
from mailstack.protocols.smtp.client_session import SmtpClientSession, SmtpSessionError, Timeouts
from mailstack.protocols.smtp.replies import Reply
from mailstack.relay.trouble import queued_as

Tls = Literal["starttls", "implicit", "none"]

USUAL_PORTS: dict[Tls, int] = {"starttls": 587, "implicit": 465, "none": 25}


class SmtpServer(Redacted, frozen=True):
    """SMTP server, its TLS mode and the login."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)

    host: str
    """Host name or address; must match the certificate."""
    port: int
    tls: Tls = "starttls"
    ca_file: Path | None = None
    """CA file; None for the CAs of the system."""
    user: str | None = None
    password: str | None = None

    def address(self) -> str:
        """IP address of the host. Raises CommandError."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise CommandError(f"{self.host} has no address: {error.strerror}; give another with --server") from error
        return str(found[0][4][0])


def parse_server(text: str, tls: Tls) -> tuple[str, int]:
    """`host`, `host:port` or `[IPv6]:port`; raises CommandError."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(USUAL_PORTS[tls])
    host = host.strip("[]")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536) or not host:
        raise CommandError(f"{text!r} is not HOST or HOST:PORT; write an IPv6 address in brackets")
    return host, int(port)


def smtp_server_of(target: TargetServer, tls: Tls) -> SmtpServer:
    """Submission service of a server; in a dev environment with the login of the first account. Raises CommandError."""
    service = "submissions" if tls == "implicit" else "submission"
    if target.config is not None:
        return _configured_server(target.config, service, tls)
    return _dev_server(target, service, tls)


LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound
"""Loopback address by wildcard address, to which no client connects; the certificate has the former."""


def _dev_server(target: TargetServer, service: str, tls: Tls) -> SmtpServer:
    services: Mapping[str, Any] = target.facts.get("services", {})
    if service not in services:
        raise CommandError(
            f"the dev environment in {target.data} is not running; start it, or name a server with --server"
        )
    at = services[service]
    account: Mapping[str, str] = next(iter(target.facts.get("accounts", ())), {})
    ca_file = Path(target.facts["ca_file"]) if "ca_file" in target.facts else None
    host = LOOPBACK_OF.get(at["host"], at["host"])
    return SmtpServer(host, at["port"], tls, ca_file, account.get("address"), account.get("password"))


def _configured_server(file: Path, service: str, tls: Tls) -> SmtpServer:
    from mailstack.config import load
    from mailstack.config.syntax import port_of

    config = load(file, os.environ)
    found = [port_of(description) for description in getattr(config.listen, service)]
    interface, port = next((each for each in found if each is not None), (None, 0))
    if interface is None:
        raise CommandError(f"{file} configures no {service} port; add one to [listen], or name a server with --server")
    made_here = config.data / "tls" / "ca.pem"
    # A generated certificate is also valid for localhost, a configured one only for the hostname.
    host = config.hostname if config.tls.certificate else (interface or "localhost")
    return SmtpServer(host, port, tls, None if config.tls.certificate else made_here)


CONNECT_TIMEOUT_S = 10.0
"""Seconds for a connection to open."""


class Submission(Struct, frozen=True):
    """Envelope and content of the letter."""

    envelope: Envelope
    content: Octets


def submit(find: Callable[[], TargetServer], options: dict[str, Any]) -> None:
    """Submits a letter and prints the reply; `options` are those of the command. Raises CommandError."""
    server = _server(find, options)
    submission = _submission(server, options)
    replies, dialogue = run_reactor(lambda reactor: _submit(reactor, server, submission))
    if options["verbose"]:
        click.echo("\n".join(clean(line) for line in dialogue), err=True)
    _print_reply(submission.envelope, replies, as_json=options["as_json"])


def _server(find: Callable[[], TargetServer], options: dict[str, Any]) -> SmtpServer:
    tls: Tls = options["tls"]
    named = options["server"]
    server = SmtpServer(*parse_server(named, tls), tls) if named else smtp_server_of(find(), tls)
    if options["ca_file"]:
        server = replace(server, ca_file=options["ca_file"])
    if options["user"] and options["user"] != server.user:
        server = replace(server, user=options["user"], password=None)
    if options["password_file"] or (server.user and server.password is None):
        server = replace(server, password=read_password(options["password_file"], confirm=False))
    return server


def _submission(server: SmtpServer, options: dict[str, Any]) -> Submission:
    """Letter and envelope, from the options, else from the header of --file."""
    sender, recipients = options["sender"], list(options["recipients"])
    if options["file"] is not None:
        if options["body"] is not None or options["subject"] or options["attach"] or options["headers"]:
            raise click.UsageError(
                "--file sends a complete message; it excludes --subject, --body, --attach and --header."
            )
        octets = with_crlf(_input() if str(options["file"]) == "-" else read_file(options["file"]))
        recipients = recipients or header_addresses(octets, "To", "Cc", "Bcc")
        sender = sender or next(iter(header_addresses(octets, "From")), None)
    if not recipients:
        raise click.UsageError("Give at least one recipient with --to ADDRESS.")
    sender = sender or (server.user if server.user and "@" in server.user else None)
    if sender is None:
        raise click.UsageError("Give the login with --user ADDRESS, or the sender with --from ADDRESS.")
    if options["file"] is None:
        body = options["body"] or ""
        text = _input().decode("utf-8", "replace") if body == "-" else body
        author = server.user or "postmaster@localhost" if sender == "<>" else sender
        octets = compose(author, recipients, options["subject"], text, options["attach"], options["headers"])
    body_type = "7BIT" if octets.isascii() else "8BITMIME"
    path = None if sender == "<>" else _address(sender)
    named = tuple(Recipient(_address(each)) for each in recipients)
    parameters = (("SMTPUTF8", ""),) if is_utf8(octets[: split(octets)]) else ()
    envelope = Envelope(path, named, body_type, parameters)
    return Submission(envelope, Octets(octets))


def _input() -> bytes:
    return sys.stdin.buffer.read()


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except AddressError as error:
        raise CommandError(f"{text!r} is not an address: {error}") from error


async def _submit(reactor: Any, server: SmtpServer, submission: Submission) -> tuple[tuple[Reply, ...], list[str]]:
    """Reply for each recipient, and the dialogue. Raises CommandError."""
    engine = ClientEngine()
    connector = TwistedConnector(reactor, ca_file=server.ca_file)
    implicit = server.tls == "implicit"
    waits = Timeouts(greeting=60, hello=60, mail=60, rcpt=60, data_start=60, data_block=60, final=300)
    try:
        peer: Peer[ClientEvent] = await connector.connect(
            HostPort(server.address(), server.port),
            engine,
            timeout=CONNECT_TIMEOUT_S,
            tls=implicit,
            server_name=server.host,
            verify=implicit,
        )
        session = SmtpClientSession(peer, engine, socket.gethostname(), waits)
        await session.open()
        if server.tls == "starttls":
            await session.start_tls(server.host, verify=True)
        if server.user and server.password is not None:
            await session.authenticate(server.user, server.password, allow_clear=server.tls == "none")
        replies = await session.transact(submission.envelope, submission.envelope.recipients, submission.content)
        await session.quit()
    except TlsError as error:
        raise CommandError(str(error)) from error
    except ConnectFailed as error:
        raise CommandError(
            f"{server.host}:{server.port} can't be reached: {str(error).rstrip('.')}; check that the server runs"
        ) from error
    except SmtpSessionError as trouble:
        cure = _cure(server) if trouble.stage == "auth" else ""
        raise CommandError(
            f"{server.host}: {trouble.reason} (at {trouble.stage}){_reply_text(trouble.reply)}{cure}"
        ) from trouble
    return replies, session.dialogue


def _cure(server: SmtpServer) -> str:
    """Remedy for a failed login."""
    if server.tls == "none":
        return "; most servers accept a login only with TLS: remove --tls none or --user"
    return "; check --user and the password"


def _reply_text(reply: Reply | None) -> str:
    return f": it replied {clean(str(reply))}" if reply else ""


def _print_reply(envelope: Envelope, replies: tuple[Reply, ...], *, as_json: bool) -> None:
    """Prints the reply. Raises CommandError if a recipient was refused."""
    results = list(zip(envelope.recipients, replies, strict=True))
    accepted = next((reply for reply in replies if reply.positive), None)
    if as_json:
        print_json(
            {
                "id": queued_as(accepted) if accepted else None,
                "reply": str(accepted or replies[0]),
                "recipients": {str(recipient.address): str(reply) for recipient, reply in results},
            }
        )
    elif accepted:
        click.echo(clean(str(accepted)))
        if letter := queued_as(accepted):
            click.echo(f"id {letter}")
    refused = [f"{recipient.address}: {reply}" for recipient, reply in results if not reply.positive]
    if refused:
        raise CommandError(clean(f"refused for {'; '.join(refused)}"))
