"""Server of one checkout in one process, whose instructions valgrind counts."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from tests.benchmarks.crowd import PASSWORD
from tests.benchmarks.instructions.event_clock import HOLD

PATIENCE = 300.0
"""Seconds until a start under valgrind has failed, on a busy machine."""

DOMAIN = "home.test"
USERS = 10
"""Number of accounts: u1 to u10, with one password."""
LOGIN = f"u{{}}@{DOMAIN}"

CONFIG = f"""
hostname = "mx.{DOMAIN}"
domains = ["{DOMAIN}"]
[listen]
submission = ["tcp:0:interface=127.0.0.1"]
mx = ["tcp:0:interface=127.0.0.1"]
pop3 = ["tcp:0:interface=127.0.0.1"]
[accounts]
bcrypt_rounds = 4
require_tls = false
[relay]
per_destination = 1
first_per_destination = 1
[relay.routes]
"far.test" = "127.0.0.1:{{receiver}}"
"""
"""Everything else has its default. Other hosts get one letter after the other, so that each run relays in one order."""

SERVICES = 3
IDLE_LOOKS = 2
"""Number of times in a row that all threads have to be seen waiting."""
_START_SCRIPT = Path(__file__).with_name("event_clock.py")
_LISTENS = re.compile(r": (\w+) listens on 127\.0\.0\.1 port (\d+)")
_TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)


class ValgrindError(Exception):
    """Valgrind does not count; the message says why."""


@define
class Server:
    """A running server, on ports of the loopback that the system chose."""

    process: subprocess.Popen[bytes]
    folder: Path
    ports: dict[str, int]
    counted: bool
    _dumps: int = field(default=0, init=False)

    def start_counting(self) -> None:
        self.await_idle()
        if self.counted:
            self._valgrind("instrumentation", "on")
            self.instructions()

    def instructions(self) -> int:
        """Instructions in user mode since the last call, of all threads, once these wait; 0 without valgrind."""
        self.await_idle()  # A reply may be sent before its work is over: what QUIT did is logged after it.
        if not self.counted:
            return 0
        self._valgrind("dump")
        self._dumps += 1
        found = _TOTALS.search((self.folder / f"callgrind.{self._dumps}").read_text())
        if found is None:
            raise ValgrindError("callgrind has written a file without totals")
        return int(found[1])

    def await_idle(self) -> None:
        """Returns when every thread waits, for a peer or for another thread. Raises TimeoutError."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        end = time.monotonic() + PATIENCE
        idle = 0
        while idle < IDLE_LOOKS:
            if time.monotonic() > end:
                raise TimeoutError("the server has not become idle")
            idle = idle + 1 if all(_is_waiting(task) for task in tasks.iterdir()) else 0
            time.sleep(0.0005)

    def _valgrind(self, *command: str) -> None:
        done = subprocess.run(
            ["vgdb", f"--pid={self.process.pid}", *command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise ValgrindError(f"vgdb can't control the server: {done.stderr.strip()[-500:]}")


def _is_waiting(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(") ")[2].startswith("S")
    except FileNotFoundError:
        return True  # The thread has ended meanwhile.


def environment(source: Path) -> dict[str, str]:
    """The variables of a program that imports mailstack from `source`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAILSTACK_", "PYTHON"))}
    return {**own, "PYTHONPATH": str(source), "PYTHONHASHSEED": "0"}


@contextlib.contextmanager
def running(source: Path, folder: Path, *, receiver: int = 9, counted: bool = True) -> Iterator[Server]:
    """A new server in `folder`, from its start to its end; letters for far.test go to the port `receiver`.

    `counted`: under valgrind; counting begins with `start_counting`. Raises ValgrindError where it does not start.
    """
    _set_up(source, folder, receiver)
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*(_callgrind(folder) if counted else ()), *_serve(folder)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(source),
            cwd=folder,
        )
    try:
        server = Server(process, folder, _ports(process, log), counted)
        process.send_signal(HOLD)
        yield server
    finally:
        process.kill()  # Its clock stands still: an orderly end would wait for timers.
        process.wait(PATIENCE)


def _set_up(source: Path, folder: Path, receiver: int) -> None:
    folder.mkdir(parents=True)
    config, users = folder / "mailstack.toml", folder / "users"
    config.write_text(CONFIG.format(receiver=receiver))
    users.write_text("".join(f"{LOGIN.format(number)} {PASSWORD}\n" for number in range(1, USERS + 1)))
    subprocess.run(
        [sys.executable, "-m", "mailstack", "user", "import", "-c", str(config), str(users)],
        env=environment(source),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=True,
    )


def _callgrind(folder: Path) -> list[str]:
    if missing := [name for name in ("valgrind", "vgdb") if shutil.which(name) is None]:
        raise ValgrindError(f"{missing[0]} is not installed (Debian: apt-get install valgrind)")
    return [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",  # The start is not counted, and then it is quick.
        "--fair-sched=yes",
        f"--callgrind-out-file={folder / 'callgrind'}",
        f"--log-file={folder / 'valgrind.log'}",
    ]


def _serve(folder: Path) -> list[str]:
    return [sys.executable, str(_START_SCRIPT), "serve", "-c", str(folder / "mailstack.toml")]


def _ports(process: subprocess.Popen[bytes], log: Path) -> dict[str, int]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        ports = {name: int(port) for name, port in _LISTENS.findall(log.read_text(errors="replace"))}
        if len(ports) == SERVICES:
            return ports
        time.sleep(0.05)
    raise ValgrindError(f"the server does not start: {log.read_text(errors='replace')[-500:]}")
