"""Fake spam filters on real sockets: spamd and rspamd."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TABLE = """Spam detection software, running on the system "test", has looked at this.

Content analysis details:   (7.4 points, 5.0 required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
 2.7 MISSING_DATE           Missing Date: header
-0.1 DKIM_VALID             Message has at least one valid DKIM or DK
                            signature
   5 OFFER                  BODY: An offer that nobody can refuse

The original message was not completely plain text.
 9.9 NOT_A_RULE             of the table
"""

CHECKED = {
    "is_skipped": False,
    "score": 8.5,
    "required_score": 15.0,
    "action": "add header",
    "symbols": {
        "R_SPF_ALLOW": {
            "name": "R_SPF_ALLOW",
            "score": -0.2,
            "description": "SPF allows",
            "options": ["+ip4:192.0.2.1"],
        },
        "OFFER": {"name": "OFFER", "score": 8.7, "metric_score": 8.7},
    },
    "message-id": "undef",
}


def report(table: str = TABLE, spam: str = "True ; 7.4 / 5.0") -> bytes:
    body = table.encode()
    return b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: %b\r\n\r\n%b" % (len(body), spam.encode(), body)


class _Spamd(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        command = self.rfile.readline()
        length = 0
        while line := self.rfile.readline().strip():
            if found := re.fullmatch(rb"Content-length: (\d+)", line):
                length = int(found[1])
        letter = self.rfile.read(length)
        if command != b"REPORT SPAMC/1.5\r\n" or not letter:
            self.wfile.write(b"SPAMD/1.0 76 Bad header line\r\n")
        elif b"silence" not in letter:
            self.wfile.write(report() if b"offer" in letter else report("nothing\n", "False ; 0.1 / 5.0"))


class _Rspamd(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        letter = self.rfile.read(int(self.headers["Content-Length"]))
        good = self.path == "/checkv2" and b"offer" in letter
        answer = json.dumps(CHECKED if good else {"error": "no such path"}).encode()
        self.send_response(200 if good else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Not in the tests' output."""


@contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fake_spamd() -> AbstractContextManager[int]:
    """Its port."""
    return _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Spamd))


def fake_rspamd() -> AbstractContextManager[int]:
    """Its port."""
    return _served(ThreadingHTTPServer(("127.0.0.1", 0), _Rspamd))
