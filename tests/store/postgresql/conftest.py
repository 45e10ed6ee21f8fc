"""Stores over a database of the test's own, by way of a line that may break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.aid import Pump

if TYPE_CHECKING:
    from mailstack.store.postgresql.connection import PostgresConnection
    from mailstack.store.postgresql.store import PostgresStore
    from tests.postgresql.server import Server
    from tests.store.postgresql.line import Line

Open = Callable[..., Any]


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture
def url(postgresql: Server, pump: Pump) -> Iterator[str]:
    """A database with the schema."""
    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql.store import PostgresStore

    def fill(url: str) -> None:
        store = PostgresStore(pump, DatabaseAddress(url))
        pump.run(store.open())
        pump.run(store.close())

    with postgresql.database(postgresql.template("schema", fill)) as url:
        yield url


@pytest.fixture
def line(url: str) -> Iterator[Line]:
    from tests.store.postgresql.line import Line

    line = Line(url)
    yield line
    line.close()


@pytest.fixture
def open_store(pump: Pump, url: str) -> Iterator[Open]:
    """With one thread of each kind, so that a test knows which connection does what."""
    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql.store import PostgresStore
    from mailstack.store.settings import StoreSettings

    opened: list[PostgresStore] = []

    def make(where: str = url, *, timeout: float = 15.0, connect_timeout: float = 3.0, **settings: Any) -> Any:
        arguments = {name: settings.pop(name) for name in ("owner", "lost_after") if name in settings}
        sizes = StoreSettings(**{"readers": 1, "writers": 1, "recent_octets": 0, **settings})
        reach = DatabaseAddress(where, connect_timeout=connect_timeout, timeout=timeout)
        opened.append(PostgresStore(pump, reach, settings=sizes, **arguments))
        pump.run(opened[-1].open())
        return opened[-1]

    yield make
    for store in opened:
        pump.run(store.close())


@pytest.fixture
def other(url: str) -> Iterator[PostgresConnection]:
    """As another process has one."""
    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql.database import Database

    database = Database(DatabaseAddress(url))
    connection = database.connect()
    yield connection
    connection.close()
    database.watch.close()
