"""Servers whose data directory is moved away and back: no accepted letter is lost."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.clients import log_in
from tests.journeys.process import Process, serve
from tests.waiting import until

SENDERS = 3
ENOUGH = 12
"""Letters accepted, or refused, before the next thing happens."""
SIZES = (500, 200_000)


class Load:
    """Clients that send letters to bob, one after the other, and write down what they were answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self.accepted: list[str] = []
        self.refused: list[int] = []
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _send(self, sender: int) -> None:
        number = 0
        while not self._over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._port, timeout=20) as client:
                    client.login("alice", "alice")
                    while not self._over.is_set():
                        number += 1
                        self._submit(client, f"letter-{sender}-{number}", SIZES[number % 2])
            except (OSError, smtplib.SMTPException):
                continue

    def _submit(self, client: smtplib.SMTP, token: str, size: int) -> None:
        code, _ = client.mail("alice@home.test")
        if code == 250:
            code, _ = client.rcpt("bob@home.test")
        if code == 250:
            code, _ = client.data(f"Subject: {token}\r\n\r\n" + f"{'x' * 70}\r\n" * (size // 72))
        else:
            client.rset()
        if code == 250:
            self.accepted.append(token)
        else:
            self.refused.append(code)

    def wait_for_accepted(self) -> None:
        count = len(self.accepted) + ENOUGH
        until(lambda: len(self.accepted) >= count, "letters are accepted")

    def wait_for_refused(self) -> None:
        count = len(self.refused) + ENOUGH
        until(lambda: len(self.refused) >= count, "letters are refused")

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


def in_mailbox(port: int) -> list[str]:
    """The subjects of all letters, each of which is read whole."""
    client = log_in(port)
    letters = [b"\n".join(client.retr(number + 1)[1]).decode() for number in range(client.stat()[0])]
    client.quit()
    return [token for letter in letters for token in re.findall(r"^Subject: (\S+)", letter, re.MULTILINE)]


def found_in(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*")) if directory.exists() else []


@contextmanager
def moved(data: Path) -> Iterator[None]:
    """`mv data away`, and back."""
    data.rename(data.with_name("away"))
    yield
    assert not data.exists()
    data.with_name("away").rename(data)


@contextmanager
def replaced(data: Path) -> Iterator[None]:
    """The same, with an empty directory in its place."""
    data.rename(data.with_name("away"))
    data.mkdir()
    yield
    assert found_in(data) == []
    data.rmdir()
    data.with_name("away").rename(data)


@contextmanager
def unmounted(data: Path) -> Iterator[None]:
    """`data` is what `prepare_mount` made of it: unmounted, or a link that leads elsewhere, and then back."""
    if data.is_symlink():
        target, empty = data.readlink(), data.with_name("empty")
        empty.mkdir()
        data.unlink()
        data.symlink_to(empty)
        yield
        assert found_in(empty) == []
        data.unlink()
        data.symlink_to(target)
    else:
        subprocess.run(["umount", "--lazy", str(data)], check=True)
        yield
        assert found_in(data) == []
        subprocess.run(["mount", "--bind", str(data.with_name("disk")), str(data)], check=True)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[None]:
    """A data directory that is mounted, where this user may mount; else a link to another directory."""
    data, disk = tmp_path / "data", tmp_path / "disk"
    disk.mkdir()
    data.mkdir()
    done = subprocess.run(["mount", "--bind", str(disk), str(data)], capture_output=True, check=False)
    if done.returncode:
        data.rmdir()
        data.symlink_to(disk)
        yield
        return
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(data)], capture_output=True, check=False)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory on a disk, where a commit takes its time.

    In memory a commit is always under way. One that began before the directory goes may make its lock file after that.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


Away = Callable[[Path], "contextmanager[None]"]


def run_away(tmp_path: Path, server: Process, away: Away, kill: int | None = None) -> None:
    load = Load(server.ports["submission"])
    data = tmp_path / "data"
    try:
        load.wait_for_accepted()
        for _ in range(2):
            killed = 0
            with away(data):
                load.wait_for_refused()
                if kill is not None:
                    killed = server.workers[kill]
                    os.kill(killed, signal.SIGKILL)
                    server.wait_for(f"worker {kill} (pid {killed}) was killed")
                    assert "the data directory was" in server.wait_for(f"worker {kill} (pid")
                    load.wait_for_refused()
            load.wait_for_accepted()
            while kill is not None and server.workers[kill] == killed:
                server.wait_for(f"worker {kill} (pid")
    finally:
        load.stop()
    assert set(load.refused) == {451}
    assert sorted(in_mailbox(server.ports["pop3"])) == sorted(load.accepted)
    assert server.stop() == 0


@pytest.mark.parametrize("away", [moved, replaced])
def test_a_directory_that_is_moved_away_and_back(tmp_path: Path, config: Path, away: Away) -> None:
    with serve(config) as server:
        run_away(tmp_path, server, away)


@pytest.mark.usefixtures("mounted")
def test_a_directory_that_is_unmounted_and_mounted_again(tmp_path: Path, config: Path) -> None:
    with serve(config) as server:
        run_away(tmp_path, server, unmounted)


@pytest.mark.parametrize("away", [moved, replaced])
def test_a_worker_that_is_begun_while_it_is_away_makes_nothing(tmp_path: Path, config: Path, away: Away) -> None:
    with serve(config, workers=2) as server:
        run_away(tmp_path, server, away, kill=1)
