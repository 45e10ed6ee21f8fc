"""PgBouncer before a PostgreSQL, as operators have it: sessions are kept, or lent to one client's transaction after the other."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from tests.postgresql.programs import unprivileged
from tests.postgresql.server import Server

PATIENCE = 20.0
_SETTINGS = """[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = 20
max_client_conn = 200
server_lifetime = 3600
"""


def program() -> str | None:
    """Debian has it where root looks for programs, and others don't."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def pooled(server: Server, mode: Literal["session", "transaction"]) -> Iterator[int]:
    """The port by which the server's databases are reached through it. Raises LookupError where it is not installed."""
    found = program()
    if found is None:
        raise LookupError("PgBouncer is not installed")
    url = urlsplit(server.url)
    with (
        tempfile.TemporaryDirectory(prefix="mailstack-pooler-") as name,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        directory, listen = Path(name), int(free.getsockname()[1])
        free.close()
        users, settings = directory / "users", directory / "settings"
        users.write_text(f'"{url.username}" "{url.password}"\n')
        settings.write_text(
            _SETTINGS.format(host=url.hostname, port=url.port or 5432, listen=listen, users=users, mode=mode)
        )
        user = unprivileged()
        for path in (directory, users, settings) if user else ():
            os.chown(path, user["user"], user["group"])
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen([found, str(settings)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **user)
        try:
            _wait(process, listen, directory / "log")
            yield listen
        finally:
            process.kill()
            process.wait(PATIENCE)


def through(url: str, port: int) -> str:
    """The same database, by way of a pooler."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"PgBouncer does not serve: {log.read_text(errors='replace')[-2000:]}")
