"""A raw IMAP client that measures: no parsing beyond what ends a reply."""

from __future__ import annotations

import re
import socket
import time

HIGHEST = re.compile(rb"HIGHESTMODSEQ (\d+)")


class Client:
    """Sends a command and reads to its tagged reply."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")
        self._input.readline()
        self.highest = b""
        """HIGHESTMODSEQ, as the latest line that has it says."""
        self.fetched = 0
        """How many messages the latest command's reply has FETCH for."""

    def command(self, octets: bytes) -> float:
        """Milliseconds until the tagged OK."""
        begun = time.perf_counter()
        self._socket.sendall(b"t " + octets + b"\r\n")
        self._finish(octets)
        return (time.perf_counter() - begun) * 1000

    def idle(self) -> None:
        """Begins IDLE (RFC 2177) and reads to its continuation."""
        self._socket.sendall(b"i IDLE\r\n")
        while not self._line().startswith(b"+"):
            pass

    def until_exists(self, octets: bytes, watcher: Client) -> float:
        """Milliseconds from a command until a client in IDLE reads EXISTS."""
        begun = time.perf_counter()
        self._socket.sendall(b"t " + octets + b"\r\n")
        while not watcher._line().endswith(b" EXISTS\r\n"):
            pass
        spent = (time.perf_counter() - begun) * 1000
        self._finish(octets)
        return spent

    def close(self) -> None:
        self._input.close()
        self._socket.close()

    def _line(self) -> bytes:
        if line := self._input.readline():
            return line
        raise ConnectionError("the server closed the connection")

    def _finish(self, octets: bytes) -> None:
        self.fetched = 0
        while not (line := self._line()).startswith(b"t "):
            if found := HIGHEST.search(line):
                self.highest = found[1]
            self.fetched += b" FETCH (" in line
            if line.endswith(b"}\r\n"):
                self._input.read(int(line[line.rindex(b"{") + 1 : -3]))
        if not line.startswith(b"t OK"):
            raise ValueError(f"{octets[:60]!r}: {line[:200]!r}")
