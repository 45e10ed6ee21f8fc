"""Ends a cluster and removes its directory, once nobody holds the other end of its standard input any more.

A program of its own, so that a cluster never outlives the tests, whatever ended them; SIGKILL too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

PATIENCE = 10.0


def main(directory: Path) -> None:
    sys.stdin.buffer.read()
    end(directory / "data")
    shutil.rmtree(directory, ignore_errors=True)


def end(data: Path) -> None:
    """Whoever runs the cluster by now: at once and without a checkpoint, for nobody will read it again."""
    for word, patience in ((signal.SIGQUIT, PATIENCE), (signal.SIGKILL, PATIENCE)):
        pid = postmaster_of(data)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, word)
        deadline = time.monotonic() + patience
        while is_there(pid) and time.monotonic() < deadline:
            time.sleep(0.01)


def postmaster_of(data: Path) -> int | None:
    """The process that serves from a cluster's directory, as its file says; None when there is no such file."""
    try:
        return int((data / "postmaster.pid").read_text().partition("\n")[0])
    except (OSError, ValueError):
        return None


def is_there(pid: int) -> bool:
    """Whether a process lives. Of one that has ended, and lost its parent, somebody else may hear late."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not state.parent.parent.joinpath("self").exists()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
