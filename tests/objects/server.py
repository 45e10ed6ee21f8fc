"""Buckets on a real object store, each made for one test."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from attrs import frozen

from mailstack.store.objects.bucket import Bucket, Place
from tests.objects.swift_server import ACCESS, SECRET

GIVEN = "MAILSTACK_TEST_S3"
"""`http://ACCESS:SECRET@host:port` of a server that is there."""
PROGRAMS = "MAILSTACK_SWIFT"
"""The Python that Swift is installed for, as `pip install swift` does it."""

_numbers = itertools.count(1)


@frozen
class Server:
    """An object store that answers."""

    endpoint: str
    access_key: str
    secret_key: str

    def place(self, bucket: str, **more: object) -> Place:
        given = {"endpoint": self.endpoint, "access_key": self.access_key, "secret_key": self.secret_key}
        return Place(bucket, **{"timeout": 5.0, "connect_timeout": 2.0, **given, **more})  # type: ignore[arg-type]

    @contextlib.contextmanager
    def bucket(self) -> Iterator[Bucket]:
        """A new one, empty."""
        made = Bucket(self.place(f"mailstack-{os.getpid()}-{next(_numbers)}"), 4)
        name = made.place.bucket
        made.client.create_bucket(Bucket=name)
        try:
            yield made
        finally:
            for key in keys_in(made):
                made.client.delete_object(Bucket=name, Key=key)
            made.client.delete_bucket(Bucket=name)
            made.close()


def keys_in(bucket: Bucket) -> list[str]:
    found = bucket.client.list_objects_v2(Bucket=bucket.place.bucket)
    return [each["Key"] for each in found.get("Contents", ())]


@contextlib.contextmanager
def some_server() -> Iterator[Server]:
    """The one that the environment names, or one of ours. Raises LookupError where there is neither."""
    if (given := os.environ.get(GIVEN)) is not None:
        parts = urlsplit(given)
        yield Server(
            f"{parts.scheme}://{parts.hostname}:{parts.port}",
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )
        return
    python = os.environ.get(PROGRAMS) or _found()
    if python is None:
        raise LookupError(f"OpenStack Swift is not installed ({PROGRAMS} names no Python that has it)")
    program = Path(__file__).with_name("swift_server.py")
    with subprocess.Popen([python, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            port = running.stdout.readline().strip()
            if not port:
                raise RuntimeError("OpenStack Swift does not start; see above")
            yield Server(f"http://127.0.0.1:{int(port)}", ACCESS, SECRET)
        finally:
            running.stdin.close()


def _found() -> str | None:
    """The Python beside the programs on the path, as in an environment that is activated."""
    proxy = shutil.which("swift-proxy-server")
    python = Path(proxy).parent / "python" if proxy else None
    return str(python) if python and python.exists() else None
