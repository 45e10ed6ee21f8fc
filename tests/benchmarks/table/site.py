"""A mail system that is measured: where it listens, which processes it is, and what the server among them says."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from tests.benchmarks.crowd import PASSWORD
from tests.benchmarks.table.processes import processor_time
from tests.journeys.process import MAILSTACK, command

DOMAIN = "home.test"
USERS = 100
"""u1 to u100, with one password."""
LOGIN = f"u{{}}@{DOMAIN}"
PATIENCE = 60.0

CONFIG = """
hostname = "mx.home.test"
domains = ["home.test"]
[listen]
submission = ["tcp:0:interface=127.0.0.1"]
submissions = ["tcp:0:interface=127.0.0.1"]
mx = ["tcp:0:interface=127.0.0.1"]
pop3 = ["tcp:0:interface=127.0.0.1"]
pop3s = ["tcp:0:interface=127.0.0.1"]
{imap}
[accounts]
bcrypt_rounds = 4
require_tls = false
[limits]
connections = 20000
connections_per_address = 20000
[relay.routes]
"*.far.test" = "127.0.0.1:{sink}"
[workers]
count = {workers}
"""
"""Everything else is as it comes: TLS, policies, Received, journeys, the log. The load comes from one address in clear,
as in no real server; and its passwords are hashed at the least cost, for the peer's are not hashed at all."""

IMAP = 'imap = ["tcp:0:interface=127.0.0.1"]'


@define
class Site:
    """Running. The ports of services that it has not got are 0."""

    name: str
    version: str
    roots: list[int]
    smtp: int = 0
    submission: int = 0
    pop3: int = 0
    submissions: int = 0
    imap: int = 0
    host: str = "127.0.0.1"
    expected: dict[int, int] = field(factory=dict)
    """How many letters each user's mailbox holds by now."""
    folder: Path = field(default=Path())
    log: Path | None = None
    """A server's: what it says on standard output."""

    def spent(self) -> float:
        """Seconds of the processor."""
        return processor_time(self.roots)


def free_port() -> int:
    """One that nobody has now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def answers(port: int, patience: float = PATIENCE) -> bool:
    """Whether somebody greets there before long."""
    ending = time.monotonic() + patience
    while time.monotonic() < ending:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(5)
            if connection.recv(200):
                return True
        time.sleep(0.02)
    return False


def furnish(folder: Path, *, workers: int = 1, accounts: int = USERS, sink: int = 9, imap: bool = False) -> None:
    """A new server that does not run, with accounts u1, u2 and so on; letters for far.test go to the port `sink`.

    IMAP is by choice: a listener more would weigh in the rows of memory.
    """
    folder.mkdir(parents=True)
    config, users = folder / "mailstack.toml", folder / "users"
    config.write_text(CONFIG.format(workers=workers, sink=sink, imap=IMAP if imap else ""))
    users.write_text("".join(f"{LOGIN.format(number)} {PASSWORD}\n" for number in range(1, accounts + 1)))
    command("user", "import", "-c", str(config), str(users))


@contextlib.contextmanager
def server(folder: Path, *, workers: int = 1, accounts: int = USERS) -> Iterator[Site]:
    """A new server, running."""
    furnish(folder, workers=workers, accounts=accounts)
    with running(folder, workers) as site:
        yield site


@contextlib.contextmanager
def running(folder: Path, workers: int = 1) -> Iterator[Site]:
    """The server of a folder, from its start to its end."""
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*MAILSTACK, "serve", "-c", str(folder / "mailstack.toml")],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        ports = _ports(process, log, workers)
        yield Site(
            "mailstack" if workers == 1 else f"mailstack, {workers} workers",
            "",
            [process.pid],
            ports["mx"],
            ports["submission"],
            ports["pop3"],
            ports["submissions"],
            ports.get("imap", 0),
            folder=folder,
            log=log,
        )
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)


def _ports(process: subprocess.Popen[bytes], log: Path, workers: int) -> dict[str, int]:
    ending = time.monotonic() + PATIENCE
    listeners = (log.parent / "mailstack.toml").read_text().count("tcp:0:")
    while time.monotonic() < ending and process.poll() is None:
        said = log.read_text(errors="replace")
        ports = {name: int(port) for name, port in re.findall(r": (\w+) listens on 127\.0\.0\.1 port (\d+)", said)}
        if len(ports) == listeners and (
            workers == 1 or len(re.findall(r"worker \d+ \(pid \d+\) is ready", said)) == workers
        ):
            return ports
        time.sleep(0.02)
    raise ConnectionError(f"the server does not start: {log.read_text(errors='replace')[-500:]}")


def longest_hold(log: Path) -> float:
    """Milliseconds that a reactor was held at most, as a server says when it has stopped."""
    found = re.findall(r"the reactor was blocked for (\d+) ms", log.read_text(errors="replace"))
    return max(map(float, found), default=0.0)
