"""The SQLite store in memory keeps the contract."""

from __future__ import annotations

import pytest

from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
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
def subject() -> Subject:
    store = InMemoryStore()

    def reopen() -> InMemoryStore:
        run(store.close())
        run(store.open())
        return store

    run(store.open())
    return Subject(store, run, reopen)
