"""`mailstack serve` and other commands as child processes, on free ports."""

from __future__ import annotations

import atexit
import json
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any, Self

from tests.waiting import PATIENCE

MAILSTACK = shlex.split(os.environ.get("MAILSTACK_PROGRAM", "")) or [sys.executable, "-m", "mailstack"]
"""The program under test: this Python's, or another way to get mailstack, such as an image."""
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]

CONFIG = """
hostname = "mx.home.test"
domains = ["home.test"]
[listen]
submission = ["tcp:0:interface=127.0.0.1"]
mx = ["tcp:0:interface=127.0.0.1"]
pop3 = ["tcp:0:interface=127.0.0.1"]
[accounts]
bcrypt_rounds = 4
require_tls = false
[relay.routes]
"elsewhere.test" = "127.0.0.1:1"
"""


WEB_CONFIG = CONFIG.replace("submission", 'web = ["tcp:0:interface=127.0.0.1"]\nsubmission', 1)


class Process:
    """Ends with the `with` block; only this process is ever signalled."""

    def __init__(self, *arguments: str, environ: dict[str, str] | None = None, program: list[str] = MAILSTACK) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - until __exit__
        self.process = subprocess.Popen(
            [*program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.said: list[str] = []
        """The lines that were taken so far."""
        self.workers: dict[int, int] = {}
        """The process ids of a server's workers, by the number of their slot."""
        self.ports: dict[str, int] = {}
        """The ports of a server's services, as far as `services` waited for them."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Take what it says as it comes, so that it never waits for us."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()

    def line(self) -> str:
        """The next line of standard output."""
        line = self._lines.get(timeout=PATIENCE)
        assert line, f"the process ended: {self.complaint()}"
        self.said.append(line)
        return line

    def complaint(self) -> str:
        """What it wrote on standard error, the end of it."""
        return os.pread(self._errors.fileno(), 1 << 16, 0).decode(errors="replace")[-2000:]

    def hear(self, line: str) -> None:
        """Learn from a line of the log who the workers are."""
        if found := re.search(r"worker (\d+) \(pid (\d+)\) is ready", line):
            self.workers[int(found[1])] = int(found[2])

    def wait_for(self, text: str) -> str:
        """The next line with this text; what is said before it is heard."""
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            line = self.line()
            self.hear(line)
            if text in line:
                return line
        raise AssertionError(f"for {PATIENCE:g} seconds nothing was said of {text!r}; at last: {self.said[-5:]}")

    def services(self, count: int) -> dict[str, int]:
        """The port of each, once so many are listened on."""
        end = time.monotonic() + PATIENCE
        while len(self.ports) < count:
            assert time.monotonic() < end, f"for {PATIENCE:g} seconds nothing else was listened on than {self.ports}"
            line = self.wait_for(" listens on 127.0.0.1 port ")
            service, port = re.search(r": (\w+) listens on 127\.0\.0\.1 port (\d+)", line).groups()  # type: ignore[union-attr]
            self.ports[service] = int(port)
        return self.ports

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM, as an operator would; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def serve(config: Path, program: list[str] = MAILSTACK, *, workers: int = 1, services: int = 3) -> Process:
    """A running server, of which so many services listen; `program` is twistd, or takes the commands of `mailstack`."""
    pid_file = str(config.with_name("twistd.pid"))
    begin = ["--nodaemon", f"--pidfile={pid_file}", "mailstack"] if program is TWISTD else ["serve"]
    environ = {"MAILSTACK_WORKERS__COUNT": str(workers)}
    process = Process(*begin, "-c", str(config), program=program, environ=environ)
    try:
        process.services(services)
    except BaseException:
        process.__exit__()
        raise
    return process


def server(directory: Path, more: str = "", *, web: bool = False) -> Path:
    """A new configuration with `more` tables, and accounts alice and bob whose passwords are their names.

    Data of an earlier one stay. With `web` the server has pages.
    """
    data = directory / "data"
    if not data.exists() or not any(data.iterdir()):
        shutil.copytree(_new_server() / "data", data, dirs_exist_ok=True)
    config = directory / "mailstack.toml"
    config.write_text((WEB_CONFIG if web else CONFIG) + more)
    return config


@cache
def _new_server() -> Path:
    """Directory of a server that never ran, copied for each test: one process makes the accounts of all tests."""
    directory = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    config = directory / "mailstack.toml"
    config.write_text(CONFIG)
    add_accounts(config, "alice@home.test", "bob@home.test")
    return directory


def add_accounts(config: Path, *addresses: str) -> None:
    """Accounts whose passwords are their local parts."""
    users = config.with_name("users")
    users.write_text("".join(f"{address} {address.partition('@')[0]}\n" for address in addresses))
    command("user", "import", "--weak", "-c", str(config), str(users))


def run(*arguments: str, environ: dict[str, str] | None = None, text: str = "") -> subprocess.CompletedProcess[str]:
    """A command, with `text` on its standard input."""
    return subprocess.run(
        [*MAILSTACK, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(environ or {})},
    )


def command(*arguments: str, environ: dict[str, str] | None = None, status: int = 0) -> str:
    """What a command prints; on standard error, if it fails as `status` says."""
    done = run(*arguments, environ=environ)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def lines_of_json(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
