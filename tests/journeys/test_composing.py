"""Limits of processor time and memory for letters that are written by HTTP."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.dev import DevProcess

MB = 1_000_000
BOB = ["bob@home.test"]
TICKS = os.sysconf("SC_CLK_TCK")


class Server(DevProcess):
    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.at("web"), timeout=60)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def processor(self) -> float:
        """Seconds that the process has had of the processor."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def largest(self) -> int:
        """Octets that the process has had in memory at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("run")) as server:
        assert server.ask("POST", "/v1/letters", written(to=BOB))[0] == 201
        yield server
        begun = time.monotonic()
        assert server.stop() in (0, -15)
        assert time.monotonic() - begun < 10


def written(**more: object) -> bytes:
    return json.dumps({"from": "alice@home.test", **more}).encode()


def sent(**more: object) -> bytes:
    """As Mailpit's clients write it."""
    return json.dumps({"From": {"Email": "alice@home.test"}, "To": [{"Email": BOB[0]}], **more}).encode()


MANY = [f"x{number}@home.test" for number in range(200_000)]
HOSTILE = {
    "recipients": ("/v1/letters", lambda: written(to=MANY)),
    "strings": ("/v1/letters", lambda: b'{"from":"alice@home.test","to":[' + b'"",' * (20 * MB) + b'""]}'),
    "subject": ("/v1/letters", lambda: written(to=BOB, subject="a " * (3 * MB))),
    "attachments": ("/v1/letters", lambda: written(to=BOB, attachments=[{"name": "a", "content": ""}] * 100_000)),
    "file name": ("/v1/letters", lambda: written(to=BOB, attachments=[{"name": "a b" * MB, "content": ""}])),
    "nested": ("/v1/letters", lambda: b'{"from":"alice@home.test","to":' + b"[" * (30 * MB) + b"]" * (30 * MB) + b"}"),
    "unknown": ("/v1/letters", lambda: b'{"from":"alice@home.test","x":[' + b'{"a":1},' * (7 * MB) + b"0]}"),
    "Mailpit's recipients": ("/api/v1/send", lambda: sent(Cc=[{"Email": each} for each in MANY])),
    "Mailpit's subject": ("/api/v1/send", lambda: sent(Subject="a " * (3 * MB))),
    "Mailpit's header": ("/api/v1/send", lambda: sent(Headers={f"X-{number}": "v" for number in range(200_000)})),
    "Mailpit's tags": ("/api/v1/send", lambda: sent(Tags=[f"tag {number}" for number in range(500_000)])),
    "Mailpit's strings": ("/api/v1/send", lambda: b'{"From":{"Email":"a@b.c"},"To":[' + b'"",' * (20 * MB) + b'""]}'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_letter_that_takes_too_much_is_refused_at_once(server: Server, name: str) -> None:
    path, make = HOSTILE[name]
    body = make()
    before = server.processor()
    done = threading.Event()
    longest = 0.0

    def look() -> None:
        nonlocal longest
        while not done.is_set():
            begun = time.monotonic()
            assert server.ask("GET", "/v1/letters?limit=0")[0] == 200
            longest = max(longest, time.monotonic() - begun)

    beside = threading.Thread(target=look)
    beside.start()
    try:
        status, answer = server.ask("POST", path, body)
    finally:
        done.set()
        beside.join()
    assert status in (400, 413, 422), answer
    assert b"the maximum is" in answer
    # 26 s of the processor, 26 s of silence and 1.5 GB, before there were limits.
    assert server.processor() - before < 5
    assert longest < 2
    assert server.largest() < 500 * MB


def test_recipients_of_a_release_are_limited(server: Server) -> None:
    (letter,) = json.loads(server.ask("GET", "/v1/letters?limit=1")[1])["letters"]
    many = [f"x{number}@y.test" for number in range(1001)]
    for path in (f"/v1/letters/{letter['id']}/release", f"/api/v1/message/{letter['id']}/release"):
        status, answer = server.ask("POST", path, json.dumps({"to": many}).encode())
        assert status == 422
        assert b"1001 recipients; the maximum is 1000" in answer
    status, answer = server.ask("POST", "/v1/letters", written(to=many))
    assert status == 422
    assert b"max_recipients" in answer


def test_a_large_letter_is_taken(server: Server) -> None:
    """As large as one may be: it takes time in proportion to its size, and holds up nobody."""
    body = written(to=BOB, attachments=[{"name": "a.bin", "content": "QUJD" * (10 * MB)}])
    before = server.processor()
    assert server.ask("POST", "/v1/letters", body)[0] == 201
    assert server.processor() - before < 10
