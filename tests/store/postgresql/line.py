"""A line to a database that loses what a test wants lost: a COMMIT, its answer, or everything."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

Loss = Literal["before", "after"]


class Line:
    """States: up, silent (nothing comes through, nor the news of that), down (connections end, and are refused)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._there = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._door = socket.create_server(("127.0.0.1", 0))
        login = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self._door.getsockname()[1]}"))
        self.lose: Loss | None = None
        """What the next statement that holds `word` meets: the line breaks before it, or in place of its answer."""
        self.word = b"; COMMIT\0"
        """Of a writer; who only says that he lives sends his COMMIT alone."""
        self.lost: Callable[[], None] = lambda: None
        """Called when that has happened."""
        self._flowing = threading.Event()
        self._flowing.set()
        self._answered = threading.Event()
        self._up = True
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def silence(self) -> None:
        self._flowing.clear()

    def down(self) -> None:
        self._up = False
        self.cut()

    def up(self) -> None:
        self._up = True
        self._flowing.set()

    def cut(self) -> None:
        """End all connections."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._door.close()
        self._flowing.set()
        self.cut()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._door.accept()
                if not self._up:
                    here.close()
                    continue
                there = socket.create_connection(self._there)
                self._ends += [here, there]
                for way in ((here, there, True), (there, here, False)):
                    threading.Thread(target=self._carry, args=way, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                if not outward:
                    self._answered.set()
                self._flowing.wait()
                if outward and self.lose and self.word in octets:
                    self._break(sink, octets)
                    return
                sink.sendall(octets)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _break(self, sink: socket.socket, octets: bytes) -> None:
        loss, self.lose = self.lose, None
        if loss == "after":
            # The server has done it when its answer is here, which goes no further.
            self._flowing.clear()
            self._answered.clear()
            sink.sendall(octets)
            self._answered.wait(10)
        self.lost()
        self.cut()
        self._flowing.set()
