"""Fixtures: the tests' object store, one for each process of pytest, and a new bucket in it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.borrowed import borrowed

if TYPE_CHECKING:
    from mailstack.store.objects.bucket import Bucket
    from tests.objects.server import Server


@pytest.fixture(scope="session")
def object_store() -> Iterator[Server]:
    pytest.importorskip("boto3", exc_type=ImportError)
    from tests.objects.server import GIVEN, some_server

    with borrowed(some_server, GIVEN) as server:
        yield server


@pytest.fixture
def bucket(object_store: Server) -> Iterator[Bucket]:
    with object_store.bucket() as made:
        yield made
