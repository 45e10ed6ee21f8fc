"""Whether each port can be listened on, or who has it."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from collections.abc import Iterator

from msgspec import structs

from mailstack.cli.checks.finding import Finding, broken, good, warning
from mailstack.config import Config
from mailstack.config.endpoints import port_of
from mailstack.net.open_files import hard_limit, shortfall
from mailstack.net.proxy_header import PROXIED

IMPLICIT_TLS = frozenset({"submissions", "pop3s", "imaps", "https"})
SPOKEN_FIRST = {"web", "https"}
"""Services whose client speaks first; the others greet."""
PATIENCE = 2.0
"""Seconds for the greeting of whoever has the port."""


def check_ports(config: Config, *, patience: float = PATIENCE) -> Iterator[Finding]:
    """Each TCP port of [listen]; other descriptions are Twisted's business."""
    listening = structs.asdict(config.listen)
    if not any(listening.values()):
        yield broken("listen", 'nothing is listened on; set for instance mx = ["tcp:25"] in [listen]')
    for service, descriptions in listening.items():
        for description in descriptions:
            if (found := port_of(description)) is None or not found[1]:
                continue
            host = found[0] or ("::" if description.removeprefix(PROXIED).startswith("tcp6") else "0.0.0.0")  # noqa: S104 - no interface means all
            part, error = f"listen.{service}", _bind(host, found[1])
            if service == "web" and not _is_loopback(host):
                yield warning(
                    part,
                    f"{description} is HTTP in clear for other machines; write interface=127.0.0.1, or https in its place",
                )
            if error is None:
                yield good(part, f"{description} is free")
            elif error.errno != errno.EADDRINUSE:
                yield broken(part, f"{description} {_refused(error, host)}")
            elif config.hostname in _said(config, service, host, found[1], patience):
                yield good(part, f"{description} is in use by this server, which runs")
            elif description.startswith(PROXIED):
                # It listens to its proxies only, and we are none.
                yield warning(part, f"{description} is in use, by this server if it runs: it answers its proxies only")
            else:
                yield broken(part, f"{description} is in use by another program; stop it, or choose another port")


def _bind(host: str, port: int) -> OSError | None:
    """Why the port can't be had, or None."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _refused(error: OSError, host: str) -> str:
    if error.errno == errno.EACCES:
        cure = "start as root with `twistd --uid`, or give CAP_NET_BIND_SERVICE as etc/mailstack.service does"
        return f"is not for you: ports below 1024 are reserved; {cure}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"can't be had: {host} is no address of this machine"
    return f"can't be had: {error.strerror}"


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def _said(config: Config, service: str, host: str, port: int, patience: float) -> str:
    """The first that whoever listens says; "" when nothing comes within `patience` seconds."""
    asked = f"GET / HTTP/1.0\r\nHost: {config.hostname}\r\n\r\n" if service in SPOKEN_FIRST else ""
    # Only who answers matters here, not whether to trust it: nothing is sent to it.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with socket.create_connection((host, port), patience) as plain:
            if service not in IMPLICIT_TLS:
                return _ask(plain, asked)
            with context.wrap_socket(plain) as secure:
                return _ask(secure, asked)
    except (OSError, ValueError):
        return ""


def _ask(connection: socket.socket, words: str) -> str:
    connection.sendall(words.encode("ascii"))
    return connection.recv(2048).decode("ascii", "replace")


def check_open_files(config: Config) -> Finding:
    """By the hard limit that holds here: `mailstack serve` raises its soft limit to that."""
    limit = hard_limit()
    too_few = shortfall(limit, config.limits.connections, config.relay.concurrency)
    if too_few:
        return warning("open files", too_few)
    return good("open files", "no limit" if limit < 0 else f"the limit is {limit}")
