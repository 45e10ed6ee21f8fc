"""How fast a server accepts letters with one worker and with several, and other servers in turn with it.

`python -m tests.benchmarks.bench_accept [--workers 1 2] [--sessions 50 100] [--peer NAME=HOST:PORT] …`. Letters of 4 KB to
a hundred mailboxes, each answered when it is on the disk and in its mailbox. The peer takes letters for the same
addresses (`--recipient`). Everybody is measured in turn, `--rounds` times, for machines change from minute to minute;
processor time is that of the server's processes, by /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
from pathlib import Path

from attrs import define, field

from tests.benchmarks.crowd import PASSWORD, Crowd, Measured
from tests.journeys.process import Process, command, serve
from tests.journeys.process import server as mail_server

MAILBOXES = 100


@define
class Server:
    """One of those that are measured."""

    name: str
    host: str
    port: int
    pids: list[int] = field(factory=list)
    """Of ours; a peer's are not known."""
    rates: list[float] = field(factory=list)
    costs: list[float] = field(factory=list)
    """Milliseconds of processor time for a letter."""
    last: Measured | None = None

    def measure(self, sessions: int, letters: int, recipient: str) -> None:
        crowd = Crowd(self.host, self.port, sessions, recipient)
        with contextlib.closing(crowd):
            crowd.send(sessions)  # everybody is warm
            before = self._processor_time()
            self.last = crowd.send(letters)
            self.costs.append((self._processor_time() - before) / letters * 1000)
        self.rates.append(self.last.rate)

    def _processor_time(self) -> float:
        ticks = 0
        for pid in self.pids:
            parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(parts[11]) + int(parts[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def __str__(self) -> str:
        assert self.last is not None
        rates = f"{statistics.median(self.rates):7.0f}/s  ({min(self.rates):.0f} to {max(self.rates):.0f})"
        waits = f"{self.last.wait(0.5) * 1000:6.1f} ms, {self.last.wait(0.99) * 1000:6.1f} ms"
        cost = f"{statistics.median(self.costs):.3f} ms" if self.pids else "-"
        return f"{self.name:24} {rates:32} {waits:22} {cost}"


def furnished(folder: Path) -> Path:
    """A server with the mailboxes."""
    folder.mkdir()
    config = mail_server(folder)
    users = folder / "users"
    users.write_text("".join(f"u{number}@home.test {PASSWORD}\n" for number in range(1, MAILBOXES + 1)))
    command("user", "import", "-c", str(config), str(users))
    return config


def started(folder: Path, workers: int) -> tuple[Process, Server]:
    process, ports = serve(furnished(folder), workers=workers)
    pids = [process.process.pid, *process.workers.values()]
    return process, Server(f"mailstack, {workers} worker{'s'[: workers > 1]}", "127.0.0.1", ports["mx"], pids)


def peer(text: str) -> Server:
    name, _, place = text.rpartition("=")
    host, _, port = place.rpartition(":")
    return Server(name or place, host, int(port))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.bench_accept", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sessions", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--letters", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", type=peer, action="append", default=[], metavar="NAME=HOST:PORT")
    parser.add_argument("--recipient", default="u{}@home.test", help="{} is a number from 1 to 100")
    given = parser.parse_args()
    print(f"{'':24} {'letters, the median':32} {'wait: half, 99 %':22} processor time")  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="mailstack-bench-") as directory:
        for sessions in given.sessions:
            with contextlib.ExitStack() as stack:
                servers = []
                for workers in given.workers:
                    process, server = started(Path(directory) / f"{sessions}-{workers}", workers)
                    stack.enter_context(process)
                    servers.append(server)
                servers += [Server(each.name, each.host, each.port) for each in given.peer]
                for _ in range(given.rounds):
                    for server in servers:
                        server.measure(sessions, given.letters, given.recipient)
                print(f"{sessions} sessions")  # noqa: T201
                for server in servers:
                    print(server, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
