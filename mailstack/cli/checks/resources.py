"""Checks of ports, open files, data directory and object store."""

from __future__ import annotations

import errno
import io
import ipaddress
import os
import secrets
import socket
import ssl
from collections.abc import Iterator
from hashlib import sha256

from msgspec import structs

from mailstack.cli.checks import Finding, broken, good, warning
from mailstack.cli.output import CommandError
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer
from mailstack.config import Config
from mailstack.config.syntax import port_of
from mailstack.letter.times import size_text
from mailstack.net.process import hard_limit, shortfall
from mailstack.net.proxy_protocol import PROXIED
from mailstack.server.wiring.store import place_of
from mailstack.store import StoreError
from mailstack.store.accounts import Account
from mailstack.store.contents import OBJECT
from mailstack.store.data_directory import free_octets
from mailstack.store.objects.bucket import Bucket
from mailstack.store.objects.bucket import trouble as object_store_error
from mailstack.store.objects.contents import Reading

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
            if service == "web" and not ipaddress.ip_address(host).is_loopback:
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


def _greeting(config: Config, service: str, host: str, port: int, timeout: float) -> str:
    """First octets from the program on a port; "" if nothing arrives within `timeout` seconds."""
    request = f"GET / HTTP/1.0\r\nHost: {config.hostname}\r\n\r\n" if service in CLIENT_FIRST else ""
    # The certificate is not verified: the peer is only identified, and gets no data.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with socket.create_connection((host, port), timeout) as plain:
            if service not in IMPLICIT_TLS:
                return _command(plain, request)
            with context.wrap_socket(plain) as secure:
                return _command(secure, request)
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


LOW_SPACE = 256 * 1024 * 1024
"""Free octets on the disk below which a warning is given."""


def check_storage(config: Config) -> Iterator[Finding]:
    """Checks the data directory and the store in it, without creating one."""
    yield from _directory(config)
    if config.store.url:
        from mailstack.cli.checks.database import check_database  # psycopg is an extra

        found, is_there = check_database(config)
        yield from found
        if not is_there:
            return
    elif not os.access(config.data, os.R_OK | os.W_OK | os.X_OK):
        return
    target = TargetServer(config.data, config.domains, config.accounts.bcrypt_rounds, settings=config)
    try:
        with OpenStore(target) as server:
            accounts = server.run(server.store.accounts.all())
            aliases = {alias for alias, _ in server.run(server.store.accounts.aliases())}
    except CommandError as error:
        yield broken("store", error.message)
        return
    yield from _people(config, accounts, aliases)


def _directory(config: Config) -> Iterator[Finding]:
    data = config.data
    if not data.exists():
        above = next(parent for parent in data.parents if parent.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield good("data", f"{data} is created at the first start")
        else:
            yield broken(
                "data",
                f"{data} does not exist and can't be created in {above}; create it, owned by the user that runs the server",
            )
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield broken(
            "data", f"{data} is not writable; run this as the user that runs the server, or chown the directory"
        )
        return
    if data.stat().st_mode & 0o077:
        yield warning("data", f"other users of this machine can read {data}, which has all messages; chmod 700 it")
    free = free_octets(data)
    reserve = 0 if config.store.url else config.limits.min_free_space
    if free < reserve:
        yield broken(
            "data",
            f"{size_text(free)} are free at {data}, less than limits.min_free_space = {size_text(reserve)}: messages are "
            "refused with 452 4.3.1; free some space, or lower the limit",
        )
    elif free < LOW_SPACE + reserve:
        yield warning(
            "data",
            f"only {size_text(free)} are free at {data}; messages are refused with 452 below {size_text(reserve)}",
        )
    else:
        yield good("data", f"{data}, {size_text(free)} free")


def _people(config: Config, accounts: list[Account], aliases: set[str]) -> Iterator[Finding]:
    if not accounts:
        yield warning(
            "accounts",
            "there are none, so no client can log in and no message is accepted; add one with `mailstack user add ADDRESS`",
        )
    else:
        yield good("accounts", f"accounts: {len(accounts)}, aliases: {len(aliases)}")
    addresses = {account.address for account in accounts} | aliases
    for address in sorted(addresses):
        domain = address.rpartition("@")[2]
        if domain not in config.domains:
            yield warning("accounts", f"{address} gets no messages: {domain} is not in `domains`")


PROBE = b"Test object of `mailstack check`.\r\n"


def check_objects(config: Config) -> Iterator[Finding]:
    """Writes, reads and deletes a test object; no finding without an object store."""
    settings = config.contents
    if not settings.bucket:
        return
    name = f"{secrets.token_hex(16)}.{sha256(PROBE).hexdigest()}"
    where = f"bucket {settings.bucket} at {settings.endpoint or 'Amazon'}"
    try:
        bucket = Bucket(place_of(config), 1)
        bucket.put(name, io.BytesIO(PROBE), len(PROBE))
        try:
            reading = Reading(bucket, f"{OBJECT}{name}", len(PROBE))
            reading.next()
            reading.close()
            bucket.older_than(0.0, "")
        finally:
            bucket.delete(name)
        bucket.drop_parts(settings.orphan_age)
        bucket.close()
    except Exception as error:
        found = object_store_error(error)
        if not isinstance(found, StoreError):
            raise
        yield broken("contents", f"{where}: {found}")
        return
    yield good("contents", f"{where} can be written, read and deleted")
