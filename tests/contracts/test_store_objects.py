"""The SQLite store keeps the contract with its large contents in a real object store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from mailstack.store.objects.bucket import Bucket
from mailstack.store.objects.contents import ContentObjects
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.acceptances import *  # noqa: F403
from tests.contracts.accounts import *  # noqa: F403
from tests.contracts.claims import *  # noqa: F403
from tests.contracts.folders import *  # noqa: F403
from tests.contracts.imap_copies import *  # noqa: F403
from tests.contracts.imap_messages import *  # noqa: F403
from tests.contracts.kept_messages import *  # noqa: F403
from tests.contracts.maildrops import *  # noqa: F403
from tests.contracts.records import *  # noqa: F403
from tests.contracts.settlements import *  # noqa: F403
from tests.contracts.store import Subject
from tests.objects.server import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared_bucket(object_store: Server) -> Iterator[Bucket]:
    with object_store.bucket() as bucket:
        yield bucket


@pytest.fixture
def subject(tmp_path: Path, shared_bucket: Bucket) -> Iterator[Subject]:
    pump = Pump()
    opened: list[SqliteStore] = []
    place = replace(shared_bucket.place, prefix=f"{next(_numbers)}/")

    def reopen() -> SqliteStore:
        if opened:
            pump.run(opened.pop().close())
        objects = ContentObjects(pump, place, tmp_path, threads=2)
        opened.append(
            SqliteStore(
                pump, tmp_path / "data", large=objects, settings=StoreSettings(recent_octets=0, memory_limit=1000)
            )
        )
        pump.run(opened[0].open())
        return opened[0]

    yield Subject(reopen(), pump.run, reopen)
    pump.run(opened[0].close())
