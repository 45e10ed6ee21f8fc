"""The SQLite store keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.acceptances import *  # noqa: F403
from tests.contracts.accounts import *  # noqa: F403
from tests.contracts.claims import *  # noqa: F403
from tests.contracts.delay_reasons import *  # noqa: F403
from tests.contracts.folders import *  # noqa: F403
from tests.contracts.hold_rules import *  # noqa: F403
from tests.contracts.imap_copies import *  # noqa: F403
from tests.contracts.imap_messages import *  # noqa: F403
from tests.contracts.kept_messages import *  # noqa: F403
from tests.contracts.maildrops import *  # noqa: F403
from tests.contracts.outbox import *  # noqa: F403
from tests.contracts.records import *  # noqa: F403
from tests.contracts.settlements import *  # noqa: F403
from tests.contracts.store import Subject
from tests.contracts.tls_results import *  # noqa: F403


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    pump = Pump()
    opened: list[SqliteStore] = []

    def reopen() -> SqliteStore:
        if opened:
            pump.run(opened.pop().close())
        opened.append(SqliteStore(pump, tmp_path / "data", settings=StoreSettings(recent_octets=0)))
        pump.run(opened[0].open())
        return opened[0]

    yield Subject(reopen(), pump.run, reopen)
    pump.run(opened[0].close())
