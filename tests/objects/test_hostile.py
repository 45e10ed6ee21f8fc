"""An object store that answers what it likes: each call ends, and what comes of it is trouble of the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from mailstack.store import StoreError
from mailstack.store.objects.bucket import Bucket, Place, trouble
from mailstack.store.objects.contents import ContentObjects, Reading
from tests.aid import Pump

NAME = "a" * 32
DATE = {"Date": "Fri, 27 Nov 2026 05:00:00 GMT", "Content-Type": "application/xml"}
OLD = b"<Contents><Key>aa/x</Key><LastModified>2020-01-01T00:00:00Z</LastModified></Contents>"
END = b"<IsTruncated>false</IsTruncated>"


class Said(Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes


def listing(inner: bytes) -> bytes:
    return b"<?xml version='1.0'?><ListBucketResult>" + inner + b"</ListBucketResult>"


ANSWERS = {
    "nothing": Said(200, DATE, b""),
    "no content": Said(204, {}, b""),
    "no date": Said(200, {}, listing(END)),
    "no such date": Said(200, {**DATE, "Date": "yesterday"}, listing(OLD + END)),
    "no zone": Said(200, {**DATE, "Date": "Fri, 27 Nov 2026 05:00:00 -0000"}, listing(OLD + END)),
    "not whether there is more": Said(200, DATE, listing(OLD)),
    "no names": Said(200, DATE, listing(b"<Contents><Size>1</Size></Contents>" + END)),
    "no time": Said(200, DATE, listing(b"<Contents><Key>a</Key><LastModified>x</LastModified></Contents>" + END)),
    "octets": Said(200, DATE, b"\xff" * 1000),
    "a page": Said(200, DATE, b"<html>hello"),
    "elsewhere": Said(301, {**DATE, "Location": "http://127.0.0.1:1/x"}, b""),
}


class Host(BaseHTTPRequestHandler):
    """Says the same to everybody."""

    said: Said
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _any(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response_only(self.said.status)
        for name, value in self.said.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.said.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.said.body)

    do_GET = do_PUT = do_DELETE = do_HEAD = _any  # noqa: N815 (http.server's names)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        yield Place("mail", endpoint, access_key="key", secret_key="secret", timeout=2.0, attempts=1)
        server.shutdown()


@pytest.fixture(scope="module")
def bucket(place: Place) -> Iterator[Bucket]:
    made = Bucket(place, 1)
    yield made
    made.close()


def read(bucket: Bucket) -> bytes:
    return Reading(bucket, f"s3/{NAME}.{'b' * 64}", 5).next()


def outcome(call: Callable[[], object]) -> BaseException | None:
    """What its caller is told, as in a thread of ContentObjects; None when it did what it should."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return trouble(error)
    return None


CALLS: dict[str, Callable[[Bucket], Any]] = {
    "list": lambda bucket: bucket.older_than(1.0, ""),
    "read": read,
    "put": lambda bucket: bucket.put(NAME, BytesIO(b"octets"), 6),
    "delete": lambda bucket: bucket.delete(NAME),
    "parts": lambda bucket: bucket.drop_parts(1.0),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_it_answers_is_trouble_of_the_store_and_no_bug(bucket: Bucket, answer: str, call: str) -> None:
    Host.said = ANSWERS[answer]
    assert isinstance(outcome(lambda: CALLS[call](bucket)), StoreError | None)


def test_pages_without_an_end_end(place: Place, tmp_path: Path) -> None:
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"
    Host.said = Said(200, DATE, listing(more))
    pump = Pump()
    contents = ContentObjects(pump, place, tmp_path, threads=1)

    async def named(_: Sequence[str]) -> set[str]:
        return set()

    with pytest.raises(StoreError, match="again and again"):
        pump.run(contents.sweep(0.0, named))
    pump.run(contents.close())
