"""The how-to for a failing disk: its commands, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Mailstack, Shelf
from tests.cli.test_damage import LARGE, SMALL, break_index
from tests.contracts.store import acceptance, placing
from tests.waiting import PATIENCE

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "rescue-letters.md"
OLD = "/mnt/old/mailstack"
ALICE = "alice@home.test"
FAILS = ("store verify /mnt", "backup", "export")
"""Commands that find something damaged."""


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def place(mailstack: Mailstack, shelf: Shelf, tmp_path: Path) -> Path:
    """A data directory with a lost and a damaged letter and a broken index, and a backup of before."""
    for octets in (SMALL, LARGE, LARGE, LARGE):
        entered = acceptance(octets=octets)
        shelf.pump.run(shelf.store.queue.accept(entered))
        shelf.pump.run(shelf.store.queue.settle(placing(entered.deliveries[0], mailbox=ALICE, size=len(octets))))
    shelf.accept()
    shelf.add_account(ALICE)
    shelf.pump.run(shelf.store.close())
    data = tmp_path / "data"
    assert mailstack("backup", str(tmp_path / "older.tar")).exit_code == 0
    lost, damaged, _ = sorted(data.glob("contents/*/*"))
    lost.unlink()
    damaged.write_bytes(b"y" + damaged.read_bytes()[1:])
    break_index(data / "mailstack.sqlite3", "letters_by_sender")
    return tmp_path


def test_the_commands_of_the_guide_rescue_all_that_is_left(place: Path) -> None:
    tools = place / "bin"
    tools.mkdir()
    for name, program in (("mailstack", f"{sys.executable} -m mailstack"), ("python3", sys.executable)):
        (tools / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (tools / name).chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAILSTACK_")}
    environ |= {"PATH": f"{tools}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(place / "runtime")}
    said = {}
    for command in commands():
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace(OLD, str(place / "data"))],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=place,
            env=environ,
        )
        fails = any(f"mailstack {words}" in command for words in FAILS)
        assert done.returncode == fails, (command, done.stderr)
        said[command] = done.stdout + done.stderr
    assert len(said) >= 9
    first, *_ = said.values()
    assert first.count("the content of message") == 2
    assert "all rows and contents are intact" in said["mailstack store verify rescued"]
    assert "carol@elsewhere.test" in said["mailstack queue list --data rescued"]
    assert ALICE in said["mailstack user list --data rescued"]
    letters = [path.read_bytes() for path in (place / "alice.maildir").rglob("*") if path.is_file()]
    assert len(letters) == 2
