"""A PostgreSQL store for the tests of the stores' contract, in a database of its own that begins empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailstack.store.connection import DatabaseAddress
from mailstack.store.postgresql.store import PostgresStore
from mailstack.store.settings import StoreSettings
from tests.aid import Pump
from tests.contracts.store import Subject
from tests.postgresql.server import Server


@contextmanager
def a_subject(server: Server, way: Callable[[str], str] = lambda url: url) -> Iterator[Subject]:
    """`way`: from a database's URL to that by which the store reaches it."""
    pump = Pump()
    opened: list[PostgresStore] = []

    def open_store(url: str) -> PostgresStore:
        store = PostgresStore(pump, DatabaseAddress(url), settings=StoreSettings(recent_octets=0))
        pump.run(store.open())
        return store

    def fill(url: str) -> None:
        pump.run(open_store(url).close())

    with server.emptied("schema", fill) as url:

        def reopen() -> PostgresStore:
            if opened:
                pump.run(opened.pop().close())
            opened.append(open_store(way(url)))
            return opened[0]

        yield Subject(reopen(), pump.run, reopen)
        pump.run(opened[0].close())
