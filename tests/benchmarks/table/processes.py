"""What trees of processes have cost: processor time with that of children that ended, and memory."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 30.0


def _stat(pid: int) -> list[str]:
    """The fields behind the name (proc_pid_stat(5)), from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(roots: Iterable[int]) -> list[int]:
    """These processes that are there, and all that descend from them."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            children.setdefault(int(_stat(int(process.name))[1]), []).append(int(process.name))
    found, waiting = [], [root for root in roots if Path(f"/proc/{root}").exists()]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], ())
    return found


def processor_time(roots: Iterable[int]) -> float:
    """Seconds: of each thread by the nanosecond, for hundreds of processes each have little; of children that ended in ticks."""
    seconds = 0.0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            seconds += sum(map(int, _stat(pid)[13:15])) / TICKS
            for thread in Path(f"/proc/{pid}/task").iterdir():
                seconds += int((thread / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def memory(roots: Iterable[int], kind: str = "Pss") -> float:
    """MiB. The proportional set size counts once what several processes share; "Rss" counts all that each one sees."""
    kilobytes = 0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(f"{kind}:"):
                    kilobytes += int(line.split()[1])
    return kilobytes / 1024


class Peak:
    """The most memory that was seen while the `with` block ran."""

    def __init__(self, roots: Iterable[int], every: float = 0.25) -> None:
        self._roots = list(roots)
        self._every = every
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self.most = 0.0

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looking.join()
        self.most = max(self.most, memory(self._roots))

    def _look(self) -> None:
        while not self._over.wait(self._every):
            self.most = max(self.most, memory(self._roots))


def end(pid: int, patience: float = PATIENCE) -> None:
    """SIGTERM, and SIGKILL if that is not enough; to this process alone, which is not our child."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if any(not _alive(pid) for _ in _moments(seconds)):
            return


def _alive(pid: int) -> bool:
    try:
        return _stat(pid)[0] not in ("Z", "X")
    except OSError:
        return False


def _moments(seconds: float) -> Iterator[None]:
    """Now, and every twentieth of a second, for so long."""
    ending = time.monotonic() + seconds
    while time.monotonic() < ending:
        yield
        time.sleep(0.05)
