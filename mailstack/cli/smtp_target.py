"""SMTP server, TLS and login of `mailstack send`."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from mailstack.cli.errors import CommandError
from mailstack.cli.target import TargetServer
from mailstack.protocols.redacted import Redacted

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
    """The submission service of a server; in a dev environment with the first account's login. Raises CommandError."""
    service = "submissions" if tls == "implicit" else "submission"
    if target.config is not None:
        return _of_config(target.config, service, tls)
    return _of_dev(target, service, tls)


def _of_dev(target: TargetServer, service: str, tls: Tls) -> SmtpServer:
    services: Mapping[str, Any] = target.facts.get("services", {})
    if service not in services:
        raise CommandError(f"the dev environment in {target.data} isn't running; start it, or give --server")
    at = services[service]
    account: Mapping[str, str] = next(iter(target.facts.get("accounts", ())), {})
    ca_file = Path(target.facts["ca_file"]) if "ca_file" in target.facts else None
    return SmtpServer(at["host"], at["port"], tls, ca_file, account.get("address"), account.get("password"))


def _of_config(file: Path, service: str, tls: Tls) -> SmtpServer:
    from mailstack.config import load
    from mailstack.config.endpoints import port_of

    config = load(file, os.environ)
    found = [port_of(description) for description in getattr(config.listen, service)]
    interface, port = next((each for each in found if each is not None), (None, 0))
    if interface is None:
        raise CommandError(f"{file} has no {service} port; give --server")
    made_here = config.data / "tls" / "ca.pem"
    # A self-made certificate is for localhost, too; a configured one only for the hostname.
    host = config.hostname if config.tls.certificate else (interface or "localhost")
    return SmtpServer(host, port, tls, None if config.tls.certificate else made_here)
