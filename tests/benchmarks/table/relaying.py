"""Letters go out: a queue that waits is released, for another host to take all of it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

from tests.benchmarks.crowd import Crowd
from tests.benchmarks.table import peers
from tests.benchmarks.table.scene import OURS, PEER, TWO, Figures, Scale, Scene, Start
from tests.benchmarks.table.site import LOGIN, Site, answers, free_port, furnish, running
from tests.journeys.process import command

PATIENCE = 120.0


def _relays(domains: int) -> tuple[dict[str, Start], Callable[[Site, Scale], Figures]]:
    """A queue that waits is released, for `smtp-sink` to count what comes."""
    sink = free_port()

    def measure(site: Site, scale: Scale) -> Figures:
        recipient = "u@d{}.far.test" if domains > 1 else "u{}@d1.far.test"
        with closing(Crowd(site.host, site.submission, 20, recipient, login=LOGIN)) as crowd:
            crowd.send(scale.letters)
        with Sink(sink) as counting:
            if not answers(sink):
                raise ConnectionError("smtp-sink does not start")
            before = site.spent()
            _release(site)
            seconds = counting.wait_for(scale.letters)
            spent = site.spent() - before
        return {"rate": scale.letters / seconds, "cpu_ms": spent / scale.letters * 1000}

    def ours(workers: int) -> Start:
        @contextlib.contextmanager
        def start(folder: Path, _scale: Scale) -> Iterator[Site]:
            furnish(folder, workers=workers, sink=sink)
            # Before it runs: a running one would see the rule within a second, and try the first letters meanwhile.
            command("queue", "rule", "add", "--domain", "*.far.test", "-c", str(folder / "mailstack.toml"))
            with running(folder, workers) as site:
                yield site

        return start

    sides: dict[str, Start] = {
        OURS: ours(1),
        TWO: ours(2),
        PEER: lambda folder, _scale: peers.postfix_and_dovecot(folder, "relay", sink=sink),
    }
    return sides, measure


def _release(site: Site) -> None:
    if site.log is not None:
        command("queue", "release", "--all", "--yes", "-c", str(site.folder / "mailstack.toml"))
    else:
        peers.release(site)


class Sink:
    """A running smtp-sink of Postfix's, which takes everything and tells how many letters that is."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [peers.found("smtp-sink") or "smtp-sink", "-u", "nobody", "-c", f"inet:127.0.0.1:{port}", "500"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._counts: list[tuple[float, int]] = []
        self._changed = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._reading.join(10)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            while data := stream.read1(65536):  # type: ignore[attr-defined]
                told = data.rpartition(b"mesg=")[2].split(b"\r")[0].strip()
                if told.isdigit() and int(told):
                    with self._changed:
                        self._counts.append((time.perf_counter(), int(told)))
                        self._changed.notify()

    def wait_for(self, letters: int) -> float:
        """Seconds from the first letter to the last."""

        def done() -> bool:
            return bool(self._counts) and self._counts[-1][1] >= letters

        with self._changed:
            if not self._changed.wait_for(done, PATIENCE):
                raise TimeoutError(f"{self._counts[-1:] or 'none'} of {letters} letters came to the other host")
            return next(at for at, count in self._counts if count >= letters) - self._counts[0][0]


def scenes() -> list[Scene]:
    return [
        Scene(f"relay-{domains}", *_relays(domains), ("postfix", "dovecot"), ("smtp-sink",)) for domains in (1, 100)
    ]
