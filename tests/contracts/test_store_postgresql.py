"""The PostgreSQL store keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

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
from tests.contracts.tls_results import *  # noqa: F403

if TYPE_CHECKING:
    from tests.contracts.store import Subject
    from tests.postgresql.server import Server


@pytest.fixture
def subject(postgresql: Server) -> Iterator[Subject]:
    from tests.postgresql.contract import a_subject

    with a_subject(postgresql) as subject:
        yield subject
