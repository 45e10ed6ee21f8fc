"""One node: a `mailstack serve` of its own, with a directory and ports of its own, over the store that all share."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from attrs import define, field

from tests.crash.servers import CONFIG, SERVICES, free_ports
from tests.journeys.process import MAILSTACK, PATIENCE, command

NO_FAKETIME = "libfaketime is not installed, by which a node's clock is made to differ"


def faketime() -> Path | None:
    """The library that gives a process another time of day."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@define
class Node:
    """States: down, up (`start`), stopped by a signal (`freeze`, until `thaw`)."""

    name: str
    directory: Path
    ports: dict[str, int]
    ahead: int | None = None
    """Seconds by which its clock is ahead; less than 0: behind; None: it has the machine's own."""
    workers: int = 1
    domain: str = "home.test"
    process: subprocess.Popen[bytes] | None = field(default=None)

    @classmethod
    def furnished(
        cls, name: str, directory: Path, store: str, far: int, *, ahead: int | None = None, workers: int = 1, more: str = ""
    ) -> Node:  # fmt: skip
        """`store`: its URL; empty: one of its own. `far`: the port of the far host. `more`: of the configuration."""
        node = cls(name, directory, dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True)), ahead, workers)
        directory.mkdir()
        setting = f'store = "{store}"\n' if store else ""
        config = CONFIG.format(domain=node.domain, other="far.test", other_mx=far, **node.ports)
        node.config.write_text(f'{setting}{config}[log]\nlevel = "warn"\n{more}')
        return node

    @property
    def config(self) -> Path:
        return self.directory / "mailstack.toml"

    @property
    def log(self) -> str:
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def forget_log(self) -> None:
        """It is opened to append, so that the node goes on from its new beginning."""
        os.truncate(self.directory / "log", 0)

    def populate(self, people: list[str], password: str = "") -> None:
        """Accounts, for all who share the store; the password of each is his name, if none is given."""
        users = self.directory / "users"
        users.write_text("".join(f"{name}@{self.domain} {password or name}\n" for name in people))
        command("user", "import", "--weak", "-c", str(self.config), str(users))

    # --- its life

    def start(self, *, wait: bool = True) -> None:
        program = [*MAILSTACK, "serve", "-c", str(self.config)]
        environ = {**os.environ, "MAILSTACK_WORKERS__COUNT": str(self.workers)}
        if self.ahead is not None:
            self.set_clock(self.ahead)
            # Not by the program faketime, which stays between. Only the time of day differs, and waits are as they were.
            environ |= {"LD_PRELOAD": str(faketime()), "FAKETIME_TIMESTAMP_FILE": str(self._clock)}
            environ |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0"}
            environ |= {"FAKETIME_CACHE_DURATION": "1"}
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ)
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, patience: float = PATIENCE) -> float:
        """The seconds until it greets; a worker that is not ready makes clients wait."""
        begun = time.monotonic()
        while not self.greets(patience):
            assert self.process is not None
            assert self.process.poll() is None, f"{self.name} ended: {self.log[-2000:]}"
            assert time.monotonic() - begun < patience, f"{self.name} does not greet: {self.log[-2000:]}"
            time.sleep(0.05)
        return time.monotonic() - begun

    def greets(self, timeout: float) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ports["submission"]), timeout) as client:
                return client.recv(3) == b"220"
        except OSError:
            return False

    def set_clock(self, ahead: int) -> None:
        """Its clock is set, while it runs: it has the new time within a second."""
        self.ahead = ahead
        new = self._clock.with_name("clock.new")
        new.write_text(f"{ahead:+d}s\n")
        new.replace(self._clock)

    @property
    def _clock(self) -> Path:
        return self.directory / "clock"

    def kill(self) -> None:
        """SIGKILL, if it is up; a master takes its workers with it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, as an operator would."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(PATIENCE) == 0, self.log[-2000:]
            self.process = None

    def owed(self) -> int:
        """Letters that its store owes, as an operator is told."""
        return len(command("queue", "list", "--json", "--limit", "100000", "-c", str(self.config)).splitlines())
