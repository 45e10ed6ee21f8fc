"""Waits of a good client while many connections flood the same port with commands that cost a client nothing.

`python -m tests.benchmarks.bench_flood [--connections 100 400] [--commands noop rset …] [--steady] [--exempt]`. The flood is
a process of its own, from as many loopback addresses as it needs for 50 connections each. The good client sends one small
letter after the other, each on a fresh connection, from another address. `--steady`: one command at a time, each after the
reply to the one before. `--exempt`: no limit on junk commands or connections holds for the flood, as for this machine's own
programs; what remains is how fairly the time is shared.

`server` is what the server's thread has worked meanwhile, in milliseconds of the processor: where other programs keep the
machine busy, that is nearly what a quiet machine would show as the wait.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import multiprocessing
import select
import smtplib
import socket
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.journeys.process import serve, server

PER_ADDRESS = 50
MAIL = b"MAIL FROM:<x@y.test>\r\n"
COMMANDS = {
    "noop": b"NOOP\r\n",
    "rset": b"RSET\r\n",
    "vrfy": b"VRFY alice\r\n",
    "ehlo": b"EHLO x.test\r\n",
    "mail": MAIL + b"RSET\r\n",
}
PIECE = 65_536
LETTER = "Subject: small\r\n\r\n" + "a line of text\r\n" * 20


class Flood:
    """Connections that say the same again and again, and come back when they are closed."""

    def __init__(self, port: int, connections: int, command: bytes, *, steady: bool) -> None:
        self._port = port
        self._command = command if steady else command * (PIECE // len(command))
        self._events = select.EPOLLIN if steady else select.EPOLLIN | select.EPOLLOUT
        self._steady = steady
        self._epoll = select.epoll()
        self._sockets: dict[int, tuple[socket.socket, int]] = {}
        self._places: dict[int, int] = {}
        self.refused = 0
        for number in range(connections):
            self._connect(number)

    def _connect(self, number: int) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.bind((f"127.0.{1 + number // PER_ADDRESS}.1", 0))
        code = connection.connect_ex(("127.0.0.1", self._port))
        assert code in (0, errno.EINPROGRESS), code
        self._sockets[connection.fileno()] = (connection, number)
        self._epoll.register(connection, self._events)

    def run(self, over: Event) -> None:
        """Go on until that is set."""
        while not over.is_set():
            for descriptor, event in self._epoll.poll(0.1, 256):
                connection, number = self._sockets[descriptor]
                try:
                    if event & select.EPOLLIN:
                        if not connection.recv(PIECE):
                            raise ConnectionResetError
                        if self._steady:
                            connection.send(self._command)
                    if event & select.EPOLLOUT:
                        connection.send(self._command)
                except BlockingIOError:
                    pass
                except OSError:
                    self._epoll.unregister(descriptor)
                    del self._sockets[descriptor]
                    connection.close()
                    self.refused += 1
                    self._connect(number)


def flood(port: int, connections: int, command: bytes, over: Event, *, steady: bool) -> None:
    """In a process of its own."""
    Flood(port, connections, command, steady=steady).run(over)


def worked(pid: int) -> float:
    """Seconds of the processor that the main thread of a process has had (Linux)."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def send_letter(port: int, pid: int) -> tuple[float, float]:
    """Seconds for one letter on a fresh connection, from connecting to the reply to QUIT, and the server's work meanwhile."""
    begun, before = time.perf_counter(), worked(pid)
    with smtplib.SMTP("127.0.0.1", port, "good.test", timeout=60) as client:
        client.sendmail("good@elsewhere.test", ["alice@home.test"], LETTER)
    return time.perf_counter() - begun, worked(pid) - before


def measure(port: int, pid: int, seconds: float) -> list[tuple[float, float]]:
    """The times of a good client's letters, one after the other."""
    took: list[tuple[float, float]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(took) < 10:
        took.append(send_letter(port, pid))
        time.sleep(0.01)
    return took


def told(name: str, took: list[tuple[float, float]]) -> str:
    """One line of the table: milliseconds."""
    line = f"{name:16} {len(took):4} letters"
    for title, times in (("", [wait for wait, _ in took]), ("server ", [work for _, work in took])):
        ordered = sorted(times)
        half, most = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        line += f"   {title}p50 {half * 1000:6.1f}  p95 {most * 1000:6.1f}  max {ordered[-1] * 1000:6.1f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.bench_flood", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--connections", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--steady", action="store_true")
    parser.add_argument("--exempt", action="store_true")
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="mailstack-bench-") as directory:
        config = server(Path(directory))
        if not given.exempt:
            config.write_text(config.read_text() + "[limits]\nexempt = []\n")
        process, ports = serve(config)
        pid = process.process.pid
        with process:
            print(told("nothing else", measure(ports["mx"], pid, given.seconds)), flush=True)  # noqa: T201
            for connections in given.connections:
                for command in given.commands:
                    over = context.Event()
                    attack = context.Process(
                        target=flood,
                        args=(ports["mx"], connections, COMMANDS[command], over),
                        kwargs={"steady": given.steady},
                    )
                    attack.start()
                    try:
                        time.sleep(1.5)
                        print(told(f"{command} x {connections}", measure(ports["mx"], pid, given.seconds)), flush=True)  # noqa: T201
                    finally:
                        over.set()
                        attack.join(10)
                        with contextlib.suppress(ValueError):
                            attack.kill()


if __name__ == "__main__":
    main()
