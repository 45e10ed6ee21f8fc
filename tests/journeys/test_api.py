"""API of `mailstack dev` over real sockets: waits, events, journey across two servers."""

from __future__ import annotations

import json
import smtplib
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.journeys.process import Process
from tests.waiting import PATIENCE

LETTER = b"From: app@shop.test\r\nTo: %b\r\nSubject: Your code\r\n\r\nYour code is 482910: https://shop.test/v?t=1\r\n"


class Dev:
    """A running environment."""

    def __init__(self, process: Process) -> None:
        self.facts: dict[str, Any] = json.loads(process.line())

    def api(self, method: str, path: str, body: object = None) -> Any:
        octets = None if body is None else json.dumps(body).encode()
        request = Request(self.facts["web"] + path, octets, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def open(self, path: str) -> socket.socket:
        """A request whose answer is read by and by."""
        where = urlsplit(self.facts["web"])
        connection = socket.create_connection((where.hostname, where.port), 20)
        connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return connection

    def capture(self, recipient: str) -> str:
        at = self.facts["services"]["capture"]
        with smtplib.SMTP(at["host"], at["port"], timeout=20) as client:
            client.ehlo()
            client.mail("app@shop.test")
            client.rcpt(recipient)
            _, said = client.data(LETTER % recipient.encode())
        return said.decode().split()[-1]

    def submit(self, recipient: str) -> str:
        at = self.facts["services"]["submission"]
        with smtplib.SMTP(at["host"], at["port"], timeout=20) as client:
            client.starttls()
            client.login("alice", "alice")
            client.mail("alice@home.test")
            client.rcpt(recipient)
            _, said = client.data(LETTER % recipient.encode())
        return said.decode().split()[-1]


@pytest.fixture
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("run"))}
    with Process("dev", "--port-base", "0", "--json", "--quiet", environ=environ) as process:
        yield Dev(process)
        assert process.stop() in (0, -15)


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Streams are never silent for long, so that no time-out of a socket ends this."""
    received = b""
    end = time.monotonic() + PATIENCE
    while wanted not in received:
        assert time.monotonic() < end, f"for {PATIENCE:g} seconds there was no {wanted!r}: {received!r}"
        octets = connection.recv(65536)
        assert octets, f"it ended without {wanted!r}: {received!r}"
        received += octets
    return received


def test_a_letter_is_waited_for_and_listened_to(dev: Dev) -> None:
    waiting, stream = dev.open("v1/wait?to=erin@shop.test&timeout=20"), dev.open("v1/events")
    read_until(stream, b"retry: ")
    letter = dev.capture("erin@shop.test")
    head, _, body = read_until(waiting, b"list_unsubscribe").partition(b"\r\n\r\n")
    assert b" 200 " in head.partition(b"\r\n")[0]
    (found,) = json.loads(body)["letters"]
    assert (found["id"], found["codes"], found["links"]) == (letter, ["482910"], ["https://shop.test/v?t=1"])
    assert letter.encode() in read_until(stream, b"event: letter\ndata: {")
    waiting.close()
    stream.close()


def test_a_letter_through_two_servers_is_one_letter(dev: Dev) -> None:
    letter = dev.submit("carol@elsewhere.test")
    with dev.open("v1/events?after=none") as stream:
        (found,) = dev.api("GET", "v1/wait?to=carol@elsewhere.test")["letters"]
        assert found["id"] == letter
        while dev.api("GET", f"v1/letters/{letter}")["state"] != "delivered":
            read_until(stream, b"event: ")
    steps = dev.api("GET", f"v1/journeys/{letter}")["steps"]
    there = next(step["letter"] for step in steps if step["step"] == "delivered")
    assert there != letter
    assert dev.api("GET", f"v1/letters/{there}")["id"] == letter
    listed = dev.api("GET", "v1/letters?mailbox=carol@elsewhere.test")
    assert [each["id"] for each in listed["letters"]] == [letter]
    assert dev.api("GET", "v1/letters")["total"] == 1


def test_letters_are_there_after_a_restart(tmp_path: Any) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    options = ("dev", "--port-base", "0", "--json", "--quiet", "--data", str(tmp_path / "data"))
    with Process(*options, environ=environ) as process:
        first = Dev(process)
        letter = first.capture("erin@shop.test")
        first.api("GET", "v1/wait?to=erin@shop.test")
        first.api("PATCH", "v1/letters", {"ids": [letter], "unread": False, "add_tags": ["kept"]})
        assert process.stop() in (0, -15)
    with Process(*options, environ=environ) as process:
        (found,) = Dev(process).api("GET", "v1/letters")["letters"]
        assert (found["id"], found["unread"], found["tags"]) == (letter, False, ["kept"])
        assert process.stop() in (0, -15)
