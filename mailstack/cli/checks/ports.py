"""Whether each port can be listened on, or who has it."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

from msgspec import structs

from mailstack.cli.checks.finding import Finding, broken, good
from mailstack.config import Config
from mailstack.config.endpoints import port_of

IMPLICIT_TLS = frozenset({"submissions", "pop3s", "imaps"})
PATIENCE = 2.0
"""Seconds for the greeting of whoever has the port."""


def check_ports(config: Config) -> Iterator[Finding]:
    """Each TCP port of [listen]; other descriptions are Twisted's business."""
    listening = structs.asdict(config.listen)
    if not any(listening.values()):
        yield broken("listen", 'nothing is listened on; set for instance mx = ["tcp:25"] in [listen]')
    for service, descriptions in listening.items():
        for description in descriptions:
            if (found := port_of(description)) is not None and found[1]:
                yield _port(f"listen.{service}", description, *found, config.hostname, tls=service in IMPLICIT_TLS)


def _port(part: str, description: str, interface: str, port: int, hostname: str, *, tls: bool) -> Finding:
    six = ":" in interface or description.startswith("tcp6")
    host = interface or ("::" if six else "0.0.0.0")  # noqa: S104 - what the configuration means by no interface
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return _refused(
                part, description, error, ("::1" if six else "127.0.0.1", port), interface, hostname, tls=tls
            )
    return good(part, f"{description} is free")


def _refused(
    part: str, description: str, error: OSError, loopback: tuple[str, int], interface: str, hostname: str, *, tls: bool
) -> Finding:
    if error.errno == errno.EACCES:
        cure = "start as root with `twistd --uid`, or give CAP_NET_BIND_SERVICE as etc/mailstack.service does"
        return broken(part, f"{description}: you may not listen on a port below 1024; {cure}")
    if error.errno == errno.EADDRNOTAVAIL:
        return broken(part, f"{description}: {interface} is no address of this machine")
    if error.errno != errno.EADDRINUSE:
        return broken(part, f"{description}: {error.strerror}")
    greeting = _greeting((interface or loopback[0], loopback[1]), tls=tls)
    if hostname in greeting:
        return good(part, f"{description}: this office runs and answers there")
    return broken(part, f"{description}: another program listens there; stop it, or choose another port")


def _greeting(address: tuple[str, int], *, tls: bool) -> str:
    """The first line of whoever listens; "" when none comes."""
    # Only who answers matters here, not whether to trust it: nothing is sent to it.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with socket.create_connection(address, PATIENCE) as plain:
            if not tls:
                return plain.recv(512).decode("ascii", "replace")
            with context.wrap_socket(plain) as secure:
                return secure.recv(512).decode("ascii", "replace")
    except (OSError, ValueError):
        return ""
