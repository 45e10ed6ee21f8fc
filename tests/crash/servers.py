"""The two servers that are killed: each a process of its own, with its mail, its ports and its way to the other."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
from pathlib import Path

from attrs import define, field

from tests.journeys.process import Process, command, serve

CONFIG = """
hostname = "mx.{domain}"
domains = ["{domain}"]
[listen]
submission = ["tcp:{submission}:interface=127.0.0.1"]
mx = ["tcp:{mx}:interface=127.0.0.1"]
pop3 = ["tcp:{pop3}:interface=127.0.0.1"]
[accounts]
bcrypt_rounds = 4
require_tls = false
[relay.routes]
"{other}" = "127.0.0.1:{other_mx}"
[relay.schedule]
first = "1s"
longest = "2s"
"""
"""Of a server, its ports, and another host with its port."""
SERVICES = ("submission", "mx", "pop3")


@define
class Server:
    """One of them; it keeps its ports when it starts again, so that the other finds it."""

    domain: str
    people: tuple[str, ...]
    """Local parts; the password of each is the same."""
    directory: Path
    ports: dict[str, int]
    workers: int = 1
    process: Process | None = field(default=None)

    @property
    def config(self) -> Path:
        return self.directory / "mailstack.toml"

    def furnish(self, other: Server) -> None:
        self.directory.mkdir()
        text = CONFIG.format(domain=self.domain, other=other.domain, other_mx=other.ports["mx"], **self.ports)
        self.config.write_text(text)
        users = self.directory / "users"
        users.write_text("".join([f"{name}@{self.domain} {name}\n" for name in self.people]))
        command("user", "import", "--weak", "-c", str(self.config), str(users))

    def start(self) -> None:
        self.process = serve(self.config, workers=self.workers)

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.__exit__()
            self.process = None

    def kill_worker(self, number: int) -> None:
        """SIGKILL to one of several workers; returns when another one serves in its place."""
        assert self.process is not None
        os.kill(self.process.workers[number], signal.SIGKILL)
        self.process.wait_for(f"worker {number} (pid {self.process.workers[number]}) was killed")
        self.process.wait_for(f"worker {number} (pid")

    def stop(self) -> None:
        if self.process is not None:
            assert self.process.stop() == 0
            self.process.__exit__()
            self.process = None


_given: set[int] = set()
"""Ports that were given to some server of this process, which may be down or not begun."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below those that systems give to connections outward: they must stay free
    while the server that has them is down.
    """
    found: list[int] = []
    for port in random.sample(range(10_000, 30_000), 20_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if port not in _given:
                _given.add(port)
                found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"only {len(found)} of {count} ports are free")


def two_servers(directory: Path, workers: int = 1) -> tuple[Server, Server]:
    """home.test and away.test, each knowing the way to the other; they don't run yet."""
    ports = free_ports(2 * len(SERVICES))
    home = Server(
        "home.test", ("alice", "bob"), directory / "home", dict(zip(SERVICES, ports[:3], strict=True)), workers
    )
    away = Server(
        "away.test", ("carol", "dave"), directory / "away", dict(zip(SERVICES, ports[3:], strict=True)), workers
    )
    home.furnish(away)
    away.furnish(home)
    return home, away
