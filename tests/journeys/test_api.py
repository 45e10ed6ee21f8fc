"""API of `mailstack dev` over real sockets: waits, events, journey across two servers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.dev import DevProcess
from tests.waiting import PATIENCE

LETTER = b"From: app@shop.test\r\nTo: %b\r\nSubject: Your code\r\n\r\nYour code is 482910: https://shop.test/v?t=1\r\n"


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[DevProcess]:
    with DevProcess(tmp_path) as dev:
        yield dev
        assert dev.stop() in (0, -15)


def requested(dev: DevProcess, path: str) -> socket.socket:
    """A request whose answer is read by and by."""
    connection = socket.create_connection(dev.at("web"), PATIENCE)
    connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


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


def test_wait_and_event_stream_report_a_letter(dev: DevProcess) -> None:
    waiting, stream = requested(dev, "v1/wait?to=erin@shop.test&timeout=20"), requested(dev, "v1/events")
    read_until(stream, b"retry: ")
    letter = dev.capture(LETTER % b"erin@shop.test", "erin@shop.test")
    head, _, body = read_until(waiting, b"list_unsubscribe").partition(b"\r\n\r\n")
    assert b" 200 " in head.partition(b"\r\n")[0]
    (found,) = json.loads(body)["letters"]
    assert (found["id"], found["codes"], found["links"]) == (letter, ["482910"], ["https://shop.test/v?t=1"])
    assert letter.encode() in read_until(stream, b"event: letter\ndata: {")
    waiting.close()
    stream.close()


def test_a_letter_through_two_servers_is_one_letter(dev: DevProcess) -> None:
    letter = dev.submit(LETTER % b"carol@elsewhere.test", "carol@elsewhere.test")
    with requested(dev, "v1/events?after=none") as stream:
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


def test_letters_are_there_after_a_restart(tmp_path: Path) -> None:
    with DevProcess(tmp_path, "--data", str(tmp_path / "data")) as first:
        letter = first.capture(LETTER % b"erin@shop.test", "erin@shop.test")
        first.api("GET", "v1/wait?to=erin@shop.test")
        first.api("PATCH", "v1/letters", {"ids": [letter], "unread": False, "add_tags": ["kept"]})
        assert first.stop() in (0, -15)
    with DevProcess(tmp_path, "--data", str(tmp_path / "data")) as second:
        (found,) = second.api("GET", "v1/letters")["letters"]
        assert (found["id"], found["unread"], found["tags"]) == (letter, False, ["kept"])
        reader = second.reader("erin@shop.test")
        assert reader.stat()[0] == 1
        reader.quit()
        assert second.stop() in (0, -15)
