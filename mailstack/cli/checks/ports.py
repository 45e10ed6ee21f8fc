"""Checks of listening ports and the limit of open files."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from collections.abc import Iterator

from msgspec import structs

from mailstack.cli.checks import Finding, broken, good, warning
from mailstack.config import Config
from mailstack.config.syntax import port_of
from mailstack.net.process import hard_limit, shortfall
from mailstack.net.proxy_protocol import PROXIED

IMPLICIT_TLS = frozenset({"submissions", "pop3s", "imaps", "https"})
CLIENT_FIRST = {"web", "https"}
"""Services without a greeting: the client sends first."""
TIMEOUT_S = 2.0
"""Maximum seconds to wait for the greeting of a port in use."""


def check_ports(config: Config, *, timeout: float = TIMEOUT_S) -> Iterator[Finding]:
    """Checks each TCP port of [listen]; other descriptions are not checked."""
    listening = structs.asdict(config.listen)
    if not any(listening.values()):
        yield broken("listen", 'no service is configured; set for example mx = ["tcp:25"] in [listen]')
    for service, descriptions in listening.items():
        for description in descriptions:
            if (found := port_of(description)) is None or not found[1]:
                continue
            host = found[0] or ("::" if description.removeprefix(PROXIED).startswith("tcp6") else "0.0.0.0")  # noqa: S104 - no interface means all
            part, error = f"listen.{service}", _bind(host, found[1])
            if service == "web" and not _is_loopback(host):
                yield warning(
                    part,
                    f"{description} serves plain HTTP to other machines; add interface=127.0.0.1, or use https instead",
                )
            if error is None:
                yield good(part, f"{description} is free")
            elif error.errno != errno.EADDRINUSE:
                yield broken(part, f"{description} {_refused(error, host)}")
            elif config.hostname in _greeting(config, service, host, found[1], timeout):
                yield good(part, f"{description} is in use by this server, which is running")
            elif description.startswith(PROXIED):
                # It replies only to its proxies, so the greeting is unavailable.
                yield warning(part, f"{description} is in use, probably by this server: it replies only to its proxies")
            else:
                yield broken(part, f"{description} is in use by another program; stop it, or choose another port")


def _bind(host: str, port: int) -> OSError | None:
    """The error of binding to a port, or None."""
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
        return f"can't be used: ports below 1024 need privileges; {cure}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"can't be used: {host} is not an address of this machine"
    return f"can't be used: {error.strerror}"


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def _greeting(config: Config, service: str, host: str, port: int, timeout: float) -> str:
    """First octets from the program on a port; "" if nothing arrives within `timeout` seconds."""
    asked = f"GET / HTTP/1.0\r\nHost: {config.hostname}\r\n\r\n" if service in CLIENT_FIRST else ""
    # The certificate is not verified: the peer is only identified, and gets no data.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with socket.create_connection((host, port), timeout) as plain:
            if service not in IMPLICIT_TLS:
                return _command(plain, asked)
            with context.wrap_socket(plain) as secure:
                return _command(secure, asked)
    except (OSError, ValueError):
        return ""


def _command(connection: socket.socket, words: str) -> str:
    connection.sendall(words.encode("ascii"))
    return connection.recv(2048).decode("ascii", "replace")


def check_open_files(config: Config) -> Finding:
    """Compares the hard limit, to which `mailstack serve` raises its soft limit, with the settings."""
    limit = hard_limit()
    too_few = shortfall(limit, config.limits.connections, config.relay.concurrency)
    if too_few:
        return warning("open files", too_few)
    return good("open files", "no limit" if limit < 0 else f"the limit is {limit}")
