"""The PostgreSQL store keeps the contract through PgBouncer as well, whose connections each transaction gets another of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.aid import Pump
from tests.contracts.announcements import *  # noqa: F403
from tests.contracts.conditions import *  # noqa: F403
from tests.contracts.orders import *  # noqa: F403
from tests.contracts.store import *  # noqa: F403
from tests.contracts.store import Subject
from tests.contracts.tls_results import *  # noqa: F403

if TYPE_CHECKING:
    from mailstack.store.postgresql.store import PostgresStore
    from tests.postgresql.server import Server


@pytest.fixture(scope="module")
def pooler(postgresql: Server) -> Iterator[int]:
    from tests.postgresql.pooler import pooled

    try:
        pool = pooled(postgresql, "transaction")
        port = pool.__enter__()
    except LookupError as why:
        pytest.skip(str(why))
    try:
        yield port
    finally:
        pool.__exit__(None, None, None)


@pytest.fixture
def subject(postgresql: Server, pooler: int) -> Iterator[Subject]:
    from mailstack.store.postgresql.store import PostgresStore
    from mailstack.store.reach import Reach
    from tests.postgresql.pooler import through

    pump = Pump()
    opened: list[PostgresStore] = []

    def open_store(url: str) -> PostgresStore:
        store = PostgresStore(pump, Reach(url), recent_octets=0)
        pump.run(store.open())
        return store

    def fill(url: str) -> None:
        pump.run(open_store(url).close())

    with postgresql.database(postgresql.template("schema", fill)) as url:

        def reopen() -> PostgresStore:
            if opened:
                pump.run(opened.pop().close())
            opened.append(open_store(through(url, pooler)))
            return opened[0]

        yield Subject(reopen(), pump.run, reopen)
        pump.run(opened[0].close())
