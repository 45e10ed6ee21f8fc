"""A disk below its reserve: 452 4.3.1 as early as it is known, and nothing is left of the letter (CODE-21)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mailstack.policy.permissions import Relaying
from mailstack.protocols.smtp.replies import Refusal
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from mailstack.protocols.smtp.server_session import ServerSession
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules
from mailstack.store.data_directory import INTERVAL
from mailstack.web.submission import WebSubmission
from tests.aid import run
from tests.protocols.smtp.hosts import ScriptedEngine
from tests.protocols.smtp.pair import Wire
from tests.queue.letters import SERVER
from tests.queue.rig import Rig
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


class Place:
    """A rig whose letters come over a disk that a test fills."""

    def __init__(self, *free: int) -> None:
        self.rig = Rig()
        self.disk = Disk(free[0]) if len(free) == 1 else FillingDisk(free)
        self.space = space(self.disk)
        counter = Intake(SERVER, self.rig.queue, self.rig.store, self.rig.directory, free_space=self.space)
        self.rules = MxRules(counter, Relaying(()))

    def replies(self, *commands: bytes) -> list[bytes]:
        """The first nine octets of each reply behind EHLO."""
        engine = ServerEngine(Capabilities(SERVER, max_size=100 * MIB))
        wire = Wire(ScriptedEngine(), engine)
        session = ServerSession(wire.server, engine, self.rules, self.rig.clock)
        conversation = session.serve()
        wire.carry(wire.server, b"EHLO c.test\r\n" + b"".join(commands))
        wire.client.close()
        wire.converse(conversation)
        lines = [line for line in bytes(wire.server.said).split(b"\r\n") if line[3:4] == b" "]
        return [line[:9] for line in lines[2:]]

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
    assert "letters are refused with 452 4.3.1: /data: 63 MiB free" in record.getMessage()
