"""An outage of the database: 451 for each command, one line in the log for all of them, and no traceback."""

from __future__ import annotations

import logging

import pytest

from mailstack.policy.chain import PolicyChain
from mailstack.policy.greylist import Greylist
from mailstack.policy.permissions import Relaying
from mailstack.protocols.log import AGAIN, MAX_TEXTS, RateLimitedLog
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from mailstack.protocols.smtp.server_session import ServerSession
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules
from mailstack.store import (
    StoreError,
    StoreFull,
)
from mailstack.store.greylist import GreylistEntry
from mailstack.store.sql_parts.greylist import SqlGreylist
from tests.protocols.smtp.hosts import ScriptedEngine
from tests.protocols.smtp.pair import Wire
from tests.queue.letters import SERVER, FailingDirectory
from tests.queue.rig import Rig
from tests.store.pools import pools

RCPTS = 300


class LostGreylist(SqlGreylist):
    """Greylist that can't be read."""

    async def find(self, network: str) -> GreylistEntry | None:
        raise StoreError(f"the database is away: {network}")


def said(rig: Rig, guard: PolicyChain | None = None) -> bytes:
    """The replies to one client with many recipients."""
    engine = ServerEngine(Capabilities(SERVER))
    wire = Wire(ScriptedEngine(), engine)
    counter = Intake(SERVER, rig.queue, rig.store, rig.directory)
    session = ServerSession(wire.server, engine, MxRules(counter, Relaying(()), policy_chain=guard), rig.clock)
    conversation = session.serve()
    wire.carry(
        wire.server, b"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\n" + b"RCPT TO:<bob@home.test>\r\n" * RCPTS + b"QUIT\r\n"
    )
    wire.client.close()
    wire.converse(conversation)
    return bytes(wire.server.said)


def test_each_recipient_is_put_off_and_the_log_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    directory = FailingDirectory("bob@home.test")
    directory.good = 0
    replies = said(Rig(directory))
    assert replies.count(b"\r\n451 4.3.0 ") == RCPTS
    assert b"\r\n221 " in replies, "the session goes on"
    (record,) = caplog.records
    assert record.getMessage() == "letters are refused with 451 4.3.0: the disk is away"
    assert record.exc_info is None


def test_what_is_no_outage_is_a_bug_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    class Buggy(FailingDirectory):
        async def mailbox(self, address: object) -> str | None:
            raise ZeroDivisionError

    assert said(Rig(Buggy("bob@home.test"))).count(b"\r\n451 4.3.0 ") == RCPTS
    assert len(caplog.records) == RCPTS
    assert all(record.exc_info for record in caplog.records)


def test_greylisting_that_can_not_ask_lets_pass_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    greylist = Greylist(LostGreylist(*pools()), rig.clock.now)
    replies = said(rig, PolicyChain(at_recipient=(greylist.at_recipient,)))
    assert replies.count(b"\r\n250 2.1.5 ") >= 100
    (record,) = caplog.records
    assert "greylisting could not ask the store" in record.getMessage()
    assert record.exc_info is None


def test_a_full_database_is_said_to_be_full(caplog: pytest.LogCaptureFixture) -> None:
    class FullDirectory(FailingDirectory):
        async def mailbox(self, address: object) -> str | None:
            raise StoreFull("no room")

    assert said(Rig(FullDirectory("bob@home.test"))).count(b"\r\n452 4.3.1 ") == RCPTS
    assert len(caplog.records) == 1


def test_a_complaint_is_told_once_a_minute_whatever_it_says(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    complaint = RateLimitedLog(logging.getLogger("test"), lambda: now)
    for number in range(100):
        complaint.error("file %d is away", number)
    assert len(caplog.records) == MAX_TEXTS
    now = AGAIN
    complaint.error("file %d is away", 1)
    complaint.error("file %d is away", 1)
    assert len(caplog.records) == MAX_TEXTS + 1
    complaint.is_over()
    complaint.error("file %d is away", 1)
    assert len(caplog.records) == MAX_TEXTS + 2
