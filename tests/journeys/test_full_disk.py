"""Servers on a full disk: temporary refusals, deletion by readers, restart."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.journeys.clients import log_in, send, subjects_of_bob, submit
from tests.journeys.process import Process, command, run, serve
from tests.journeys.process import server as mail_server

MIB = 1 << 20
SIZE, RESERVE = 40, 12
"""MiB of the disk, and of its reserve."""
LARGE = 500_000
BOB = "bob@home.test"
BELOW = "1024GiB"
"""A reserve that no disk has: the largest that can be set."""


class Disk:
    """The disk of a data directory."""

    def __init__(self, data: Path, *, is_small: bool) -> None:
        self.data = data
        self.is_small = is_small
        """Whether it is one of `SIZE`; else the machine's, as no file system may be mounted here."""
        self._ballast = data / "ballast"

    @property
    def reserve(self) -> str:
        return f"{RESERVE}MiB" if self.is_small else BELOW

    def fill(self, leave: int = 0) -> None:
        """So that only `leave` octets are free."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while (free := os.statvfs(self.data).f_bavail * os.statvfs(self.data).f_frsize) > leave:
                file.write(bytes(min(MIB, free - leave)))

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    data = tmp_path / "data"
    data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "mailstack", str(data)]
    is_small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield Disk(data, is_small=is_small)
    finally:
        if is_small:
            subprocess.run(["umount", "--lazy", str(data)], check=True)


def configured(directory: Path, reserve: str, *, index: str = "true") -> Path:
    tables = f'[index]\nenabled = {index}\n[limits]\nmin_free_space = "{reserve}"\n'
    return mail_server(directory, tables, web=True)


def begun(config: Path) -> Process:
    return serve(config, services=4)


def post(port: int) -> int:
    """The status of a letter that is written by HTTP."""
    written = {"from": "alice@home.test", "to": ["bob@home.test"], "subject": "refused", "text": "x"}
    headers = {"Content-Type": "application/json", "Authorization": "Basic " + b64encode(b"alice:alice").decode()}
    request = Request(f"http://127.0.0.1:{port}/v1/letters", json.dumps(written).encode(), headers, method="POST")
    try:
        with urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def collect(port: int, delete: int) -> int:
    """Delete so many letters; how many are left."""
    for number in (delete, 0):
        client = log_in(port)
        for each in range(number):
            client.retr(each + 1)
            client.dele(each + 1)
        left = client.stat()[0]
        client.quit()
    return left


def stop(server: Process) -> float:
    """How long that takes, in seconds."""
    begun = time.monotonic()
    assert server.stop() == 0
    return time.monotonic() - begun


def test_below_the_reserve_letters_are_put_off_and_readers_make_room(tmp_path: Path, disk: Disk) -> None:
    """CODE-21."""
    config = configured(tmp_path, "1MiB")
    count = 0
    with begun(config) as server:
        for count in range(1, 11):
            assert submit(server.ports["submission"], f"letter-{count}", BOB, size=500)[0] == 250
        assert submit(server.ports["submission"], "elsewhere", "carol@elsewhere.test")[0] == 250
        stop(server)
    config = configured(tmp_path, disk.reserve)
    disk.fill((RESERVE - 1) * MIB) if disk.is_small else None
    with begun(config) as server:
        for size in (500, LARGE):
            code, text = submit(server.ports["submission"], "refused", BOB, size=size)
            assert (code, text[:5]) == (452, b"4.3.1")
        assert post(server.ports["web"]) == 507
        server.wait_for("messages are refused with 452 4.3.1")
        done = run("sendmail", "-c", str(config), "bob@home.test", text="Subject: x\n\ntext\n")
        assert (done.returncode, "452" in done.stderr) == (75, True), done.stderr
        assert "1 of" in command("check", "-c", str(config), "--no-dns", status=1, environ={"NO_COLOR": "1"})
        assert collect(server.ports["pop3"], 4) == count - 4
        assert "refused" not in command("letters", "-c", str(config))
        assert stop(server) < 5
    if disk.is_small:
        disk.empty()
        with begun(config) as server:
            assert submit(server.ports["submission"], "after", BOB, size=500)[0] == 250
            assert collect(server.ports["pop3"], 0) == count - 3


def test_letters_that_come_leave_the_reserve(tmp_path: Path, disk: Disk) -> None:
    """Also those whose size nobody has declared; what is left is enough for all that must be written."""
    config = configured(tmp_path, disk.reserve, index="false")
    with begun(config) as server:
        taken, code = 0, 250
        while code == 250:
            code, _ = submit(server.ports["submission"], f"letter-{taken}", BOB, size=LARGE)
            taken += code == 250
            assert taken * LARGE < SIZE * MIB
        assert code == 452
        if disk.is_small:
            free = os.statvfs(disk.data).f_bavail * os.statvfs(disk.data).f_frsize
            assert free > RESERVE // 2 * MIB, "what the database needs for the letters of a second is not counted"
            assert collect(server.ports["pop3"], taken) == 0
            assert stop(server) < 5
            with begun(config) as again:
                assert submit(again.ports["submission"], "after", BOB, size=LARGE)[0] == 250


def test_a_server_whose_disk_is_full_says_what_to_do_or_serves_readers(tmp_path: Path, disk: Disk) -> None:
    config = configured(tmp_path, disk.reserve if disk.is_small else "1MiB")
    with begun(config) as server:
        for number in range(5):
            assert submit(server.ports["submission"], f"letter-{number}", BOB, size=500)[0] == 250
        assert submit(server.ports["submission"], "elsewhere", "carol@elsewhere.test")[0] == 250
        if disk.is_small:
            disk.fill()
            code, _ = submit(server.ports["submission"], "refused", BOB, size=500)
            assert code == 452
            assert collect(server.ports["pop3"], 0) == 5
        server.kill()
    # The log of the database is there, and what it says is read though nothing can be written.
    with begun(config) as server:
        assert collect(server.ports["pop3"], 0) == 5
        assert stop(server) < 5
    if not disk.is_small:
        return
    disk.empty()
    with begun(config) as server:
        assert collect(server.ports["pop3"], 0) == 5
        stop(server)
    disk.fill()
    said = command("serve", "-c", str(config), status=1)
    assert "mailstack.sqlite3: " in said
    assert "octets are free on the disk; make room for 1 MiB, and start again" in said
    assert "Traceback" not in said
    disk.empty()
    with begun(config) as server:
        assert collect(server.ports["pop3"], 2) == 3
        assert submit(server.ports["submission"], "after", BOB, size=500)[0] == 250
        assert stop(server) < 5


NEVER = resource.RLIM_INFINITY
ROOM = 100_000
"""Octets by which any file may still grow."""
MOST = 1000


def test_a_server_without_room_puts_letters_off_and_loses_none(tmp_path: Path, config: Path) -> None:
    """CODE-21, SMTP-29: 452 or 451 while nothing can be written; what was answered with 250 is there; then all is well."""
    with serve(config) as server:
        taken = []
        send(server.ports["submission"], "before", "bob@home.test", size=500)
        largest = max(file.stat().st_size for file in (tmp_path / "data").iterdir())
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (largest + ROOM, NEVER))
        refusals = []
        for number in range(MOST):
            size = 5000 if number % 5 else 300_000
            code, _ = submit(server.ports["submission"], f"tight-{number}", "bob@home.test", size=size)
            (taken if code == 250 else refusals).append((f"tight-{number}", code))
            if len(refusals) > 10:
                break
        assert {code for _, code in refusals} <= {451, 452}
        assert len(refusals) > 10
        assert set(subjects_of_bob(server.ports["pop3"])) == {"before", *(token for token, _ in taken)}
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (NEVER, NEVER))
        send(server.ports["submission"], "after", "bob@home.test", size=300_000)
        found = subjects_of_bob(server.ports["pop3"])
        assert sorted(found) == sorted(["before", *(token for token, _ in taken), "after"])
        assert server.stop() == 0
