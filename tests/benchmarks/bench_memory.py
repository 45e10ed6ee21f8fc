"""How much memory a server takes under clients that only want to take some: RSS of a real `mailstack serve`.

Run it by itself: `python -m tests.benchmarks.bench_memory [CONNECTIONS [SECONDS]]`. Connections that send one octet a
second each, then one that sends a gigabyte without a line end: as a command, and as the header of a letter.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.table.processes import memory
from tests.journeys import process

LIMITS = """
[limits]
connections = 50000
connections_per_address = 50000
"""
GIGABYTE = 1 << 30
PIECE = b"x" * (1 << 20)


def rss(pid: int) -> float:
    """MiB."""
    return memory([pid], "Rss")


def tell(pid: int, what: str) -> None:
    print(f"{rss(pid):8.1f} MiB  {what}", flush=True)  # noqa: T201


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def dribble(pid: int, port: int, connections: int, seconds: int) -> None:
    """Everybody one octet a second; what is answered is not read."""
    clients = [connect(port) for _ in range(connections)]
    tell(pid, f"{connections:,} connections are open")
    for second in range(1, seconds + 1):
        begun = time.monotonic()
        for client in clients:
            with contextlib.suppress(OSError):
                client.send(b"N")
        if second % 10 == 0:
            tell(pid, f"each sent {second} octets")
        time.sleep(max(0.0, begun + 1 - time.monotonic()))
    for client in clients:
        client.close()
    time.sleep(2)
    tell(pid, "all are gone")


def flood(pid: int, port: int, before: bytes, what: str) -> None:
    """A gigabyte without a line end, behind `before`."""
    client = connect(port)
    client.sendall(before)
    sent, most = 0, 0.0
    with contextlib.suppress(OSError):
        while sent < GIGABYTE:
            client.sendall(PIECE)
            sent += len(PIECE)
            most = max(most, rss(pid)) if sent % (16 << 20) == 0 else most
    tell(pid, f"after {sent / GIGABYTE:.2f} GiB without a line end {what}; at most {most:.1f} MiB")
    client.close()


def main() -> None:
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as directory:
        config = process.server(Path(directory))
        config.write_text(config.read_text() + LIMITS)
        with process.serve(config) as running:
            ports, pid = running.ports, running.process.pid
            tell(pid, "idle")
            dribble(pid, ports["mx"], connections, seconds)
            flood(pid, ports["mx"], b"", "as a command")
            begin = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@home.test>\r\nDATA\r\n"
            flood(pid, ports["mx"], begin, "as a header section")
            flood(pid, ports["mx"], begin + b"Subject: x\r\n\r\n", "as a body")
            flood(pid, ports["pop3"], b"", "as a command of POP3")


if __name__ == "__main__":
    main()
