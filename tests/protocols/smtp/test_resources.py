"""Full disk (CODE-21), outage of the database, and memory of all recipients."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mailstack.policy.chain import PolicyChain
from mailstack.policy.greylist import Greylist
from mailstack.policy.permissions import Relaying
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.log import AGAIN, MAX_TEXTS, RateLimitedLog
from mailstack.protocols.smtp.replies import Refusal
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from mailstack.protocols.smtp.server_session import ListenerContext, ServerSession
from mailstack.protocols.smtp.session_state import MIN_RECIPIENTS, RECIPIENT_OCTETS
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules
from mailstack.store import StoreError, StoreFull
from mailstack.store.data_directory import INTERVAL
from mailstack.store.greylist import GreylistEntry
from mailstack.store.sql_parts.greylist import SqlGreylist
from mailstack.web.submission import WebSubmission
from tests.aid import run
from tests.protocols.smtp.hosts import ScriptedEngine
from tests.protocols.smtp.pair import Wire
from tests.queue.rig import SERVER, FailingDirectory, Rig
from tests.store.pools import pools
from tests.store.test_free_space import MIB, Disk, space

FULL = b"452 4.3.1"
CONTENT = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
RCPT = b"RCPT TO:<bob@home.test>\r\n"


class FillingDisk(Disk):
    """One that has another space free each time that it is asked."""

    def __init__(self, free: Sequence[int]) -> None:
        super().__init__(0)
        self._next = list(free)

    def measure(self, _: Path) -> int:
        self.now += INTERVAL
        return self._next.pop(0)


def talk(rig: Rig, rules: MxRules, octets: bytes, context: ListenerContext | None = None) -> bytes:
    """The replies to a client that says all of this at once behind EHLO."""
    engine = ServerEngine(Capabilities(SERVER, max_size=100 * MIB))
    wire = Wire(ScriptedEngine(), engine)
    conversation = ServerSession(wire.server, engine, rules, rig.clock, context or ListenerContext()).serve()
    wire.carry(wire.server, b"EHLO c.test\r\n" + octets)
    wire.client.close()
    wire.converse(conversation)
    return bytes(wire.server.said)


def rules_of(rig: Rig, **settings: Any) -> MxRules:
    return MxRules(Intake(SERVER, rig.queue, rig.store, rig.directory), Relaying(()), **settings)


class Place:
    """A rig whose letters come over a disk that a test fills."""

    def __init__(self, *free: int) -> None:
        self.rig = Rig()
        self.disk = Disk(free[0]) if len(free) == 1 else FillingDisk(free)
        counter = Intake(SERVER, self.rig.queue, self.rig.store, self.rig.directory, free_space=space(self.disk))
        self.rules = MxRules(counter, Relaying(()))

    def replies(self, *commands: bytes) -> list[bytes]:
        """The first nine octets of each reply behind EHLO."""
        said = talk(self.rig, self.rules, b"".join(commands)).split(b"\r\n")
        return [line[:9] for line in said if line[3:4] == b" "][2:]

    @property
    def letters(self) -> int:
        return len(self.rig.mailbox("bob@home.test"))


def test_a_letter_is_refused_at_mail() -> None:
    place = Place(63 * MIB)
    assert place.replies(b"MAIL FROM:<a@b.test>\r\n", RCPT)[0] == FULL
    assert place.letters == 0


def test_a_declared_size_counts() -> None:
    place = Place(70 * MIB)
    assert place.replies(b"MAIL FROM:<a@b.test> SIZE=7000000\r\n")[0] == FULL
    assert place.replies(b"MAIL FROM:<a@b.test> SIZE=5000000\r\n")[0] == b"250 2.1.0"


@pytest.mark.parametrize("data", [b"DATA\r\n", b"BDAT %d LAST\r\n" % len(CONTENT) + CONTENT], ids=["DATA", "BDAT"])
def test_a_disk_that_is_full_by_then_refuses_the_content(data: bytes) -> None:
    place = Place(70 * MIB, 63 * MIB)
    replies = place.replies(b"MAIL FROM:<a@b.test>\r\n", RCPT, data)
    assert replies[:3] == [b"250 2.1.0", b"250 2.1.5", FULL]
    assert place.letters == 0


def test_there_is_room_again() -> None:
    place = Place(63 * MIB)
    letter = (b"MAIL FROM:<a@b.test>\r\n", RCPT, b"DATA\r\n", CONTENT, b".\r\n")
    assert place.replies(*letter)[0] == FULL
    place.disk.free, place.disk.now = 65 * MIB, INTERVAL
    assert place.replies(*letter)[-1] == b"250 2.0.0"
    assert place.letters == 1


def test_a_letter_by_http_is_refused() -> None:
    place = Place(63 * MIB)
    intake = WebSubmission(place.rules, place.rig.clock)
    with pytest.raises(Refusal) as refused:
        run(intake.submit("a@b.test", ["bob@home.test"], CONTENT))
    assert str(refused.value.reply).startswith("452 4.3.1")
    place.disk.free, place.disk.now = 65 * MIB, INTERVAL
    run(intake.submit("a@b.test", ["bob@home.test"], CONTENT))
    assert place.letters == 1


def test_the_log_is_told_once_and_not_with_each_letter(caplog: pytest.LogCaptureFixture) -> None:
    place = Place(63 * MIB)
    for _ in range(20):
        place.replies(b"MAIL FROM:<a@b.test>\r\n")
    (record,) = caplog.records
    assert "messages are refused with 452 4.3.1: /data: 63 MiB free" in record.getMessage()


RCPTS = 300


class LostGreylist(SqlGreylist):
    """Greylist that can't be read."""

    async def find(self, network: str) -> GreylistEntry | None:
        raise StoreError(f"the database is away: {network}")


def said(rig: Rig, guard: PolicyChain | None = None) -> bytes:
    """The replies to one client with many recipients."""
    return talk(rig, rules_of(rig, policy_chain=guard), b"MAIL FROM:<a@b.test>\r\n" + RCPT * RCPTS + b"QUIT\r\n")


def test_each_recipient_is_put_off_and_the_log_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    directory = FailingDirectory("bob@home.test")
    directory.good = 0
    replies = said(Rig(directory))
    assert replies.count(b"\r\n451 4.3.0 ") == RCPTS
    assert b"\r\n221 " in replies, "the session goes on"
    (record,) = caplog.records
    assert record.getMessage() == "messages are refused with 451 4.3.0: the disk is away"
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


def taken(crowd: MemoryBudget, recipients: int, end: bytes = b"") -> int:
    """Number of recipients of one client that were accepted."""
    rig = Rig()
    octets = b"MAIL FROM:<a@b.test>\r\n" + RCPT * recipients + end
    return talk(rig, rules_of(rig), octets, ListenerContext(recipient_budget=crowd)).count(b"\r\n250 2.1.5")


def test_a_crowd_of_clients_holds_no_more_recipients_than_there_is_room_for() -> None:
    """RFC 5321 §4.5.3.1.8, §4.5.3.1.10: each may send a letter to 100, and the rest in another transaction."""
    assert taken(MemoryBudget(300 * RECIPIENT_OCTETS), 500) == 301
    crowd = MemoryBudget(300 * RECIPIENT_OCTETS)
    crowd.used = 250 * RECIPIENT_OCTETS
    assert taken(crowd, 500) == MIN_RECIPIENTS
    assert crowd.used == 250 * RECIPIENT_OCTETS, "what it held is given back"
    again = b"RSET\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bob@home.test>\r\n"
    assert taken(crowd, 120, again) == MIN_RECIPIENTS + 1, "the others in another transaction"
    assert crowd.used == 250 * RECIPIENT_OCTETS
