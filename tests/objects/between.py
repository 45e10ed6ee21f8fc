"""An HTTP proxy in front of the object store that answers in its place, cuts or keeps silent, as a test says."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from attrs import define, field, frozen

CODES = {500: "InternalError", 503: "SlowDown", 403: "AccessDenied", 507: "InsufficientStorage"}


@frozen
class Trouble:
    """What becomes of one request."""

    kind: Literal["none", "status", "cut", "silent", "other"]
    value: int = 0
    """Of "status": which. Of "cut": octets of the body that come."""


@define
class Between:
    """`coming` are the next requests' troubles, of `methods`; after them all goes well, or as `then` says."""

    endpoint: str
    coming: deque[Trouble] = field(factory=deque)
    methods: frozenset[str] = frozenset({"GET", "PUT", "POST", "DELETE"})
    then: Trouble = Trouble("none")
    asked: list[tuple[str, str]] = field(factory=list)
    """Method and Range of each request."""
    ended: threading.Event = field(factory=threading.Event)

    def next(self, method: str, bounds: str) -> Trouble:
        self.asked.append((method, bounds))
        if method not in self.methods:
            return Trouble("none")
        return self.coming.popleft() if self.coming else self.then


class Proxy(ThreadingHTTPServer):
    """Where the requests come."""

    def __init__(self, state: Between) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.state = state


class Passing(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_: object) -> None:
        pass

    def _any(self) -> None:
        octets = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trouble = self.server.state.next(self.command, self.headers.get("Range", ""))
        if trouble.kind == "silent":
            self.server.state.ended.wait(30)
            self.close_connection = True
        elif trouble.kind == "status":
            body = f"<Error><Code>{CODES[trouble.value]}</Code><Message>as a test wants</Message></Error>".encode()
            self._answer(trouble.value, [("Content-Type", "application/xml")], body, len(body))
        else:
            self._pass_on(octets, trouble)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815

    def _pass_on(self, octets: bytes, trouble: Trouble) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.server.state.endpoint).netloc, timeout=20)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in {"expect", "connection"}:
                connection.putheader(name, value)
        connection.endheaders(octets)
        answer = connection.getresponse()
        body = sent = answer.read()
        connection.close()
        if trouble.kind == "cut":
            sent = body[: trouble.value]
        elif trouble.kind == "other" and body:
            sent = body[:-1] + bytes([body[-1] ^ 1])
        ours = {"transfer-encoding", "connection", "content-length"}
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in ours]
        self._answer(answer.status, headers, sent, len(body))
        self.close_connection = len(sent) < len(body)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in (*headers, ("Content-Length", str(length))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def between(endpoint: str) -> Iterator[tuple[Between, str]]:
    """The proxy, and its own endpoint."""
    state = Between(endpoint)
    with Proxy(state) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
        thread.start()
        try:
            yield state, f"http://127.0.0.1:{server.server_port}"
        finally:
            state.ended.set()
            server.shutdown()
            thread.join()
