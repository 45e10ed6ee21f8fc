"""Greylisting (CODE-12, RFC 6647)."""

from __future__ import annotations

import pytest

from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.policy.greylist import Greylist, GreylistTimes
from mailstack.store import StoreError
from mailstack.store.greylist import GreylistEntry
from mailstack.store.sql_parts.greylist import SqlGreylist
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.policy.visitor import Now, Visitor, rcpt, said
from tests.store.pools import pools

LATER = "451 4.7.1"
MINUTE, DAY = 60.0, 86400.0


class Rig:
    def __init__(self, store: InMemoryStore | None = None) -> None:
        self.now = Now()
        self.store = store or InMemoryStore()
        self.greylist = Greylist(self.store.greylist, self.now, GreylistTimes())

    def write(self, host: str = "198.51.100.7", sender: str = "eve@other.test", to: str = "bob@home.test") -> str:
        visitor = Visitor(HostPort(host, 1), sender=Address.parse(sender) if sender else None)
        return said(run(self.greylist.at_recipient(visitor, rcpt(to))))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_who_comes_again_in_time_is_let_in_and_known(rig: Rig) -> None:
    assert rig.write() == LATER
    rig.now.at += MINUTE
    assert rig.write() == LATER
    rig.now.at += 5 * MINUTE
    assert rig.write() == ""
    assert rig.write(sender="other@other.test", to="alice@home.test") == ""


def test_a_neighbour_of_the_host_may_try_again(rig: Rig) -> None:
    assert rig.write("198.51.100.7") == LATER
    rig.now.at += 6 * MINUTE
    assert rig.write("198.51.100.200") == ""


@pytest.mark.parametrize(
    "other", [{"host": "203.0.113.7"}, {"sender": "someone@else.test"}, {"to": "alice@home.test"}, {"sender": ""}]
)
def test_another_letter_begins_its_own_wait(rig: Rig, other: dict[str, str]) -> None:
    assert rig.write() == LATER
    rig.now.at += 6 * MINUTE
    assert rig.write(**other) == LATER


def test_who_comes_again_too_late_begins_anew(rig: Rig) -> None:
    assert rig.write() == LATER
    rig.now.at += 2 * DAY
    assert rig.write() == LATER
    rig.now.at += 6 * MINUTE
    assert rig.write() == ""


def test_a_network_is_known_as_long_as_it_writes(rig: Rig) -> None:
    rig.write()
    rig.now.at += 6 * MINUTE
    for _ in range(10):
        assert rig.write() == ""
        rig.now.at += 30 * DAY
    rig.now.at += 10 * DAY
    assert rig.write() == LATER


def count(store: InMemoryStore) -> int:
    """Names that are remembered."""
    return int(
        run(store._readers.do(lambda connection: connection.execute("SELECT count(*) FROM greylist").fetchall()))[0][0]
    )


def test_a_flood_of_strangers_is_remembered_within_bounds(rig: Rig) -> None:
    rig.greylist = Greylist(rig.store.greylist, rig.now, GreylistTimes(), max_entries=20, sweep=10)
    for number in range(1000):
        rig.now.at += 1
        assert rig.write(sender=f"eve{number}@other.test") == LATER
        assert count(rig.store) < 30


def test_store_error_delays_no_client() -> None:
    class Broken(SqlGreylist):
        async def find(self, name: str) -> GreylistEntry | None:
            raise StoreError("broken")

    rig = Rig()
    rig.greylist = Greylist(Broken(*pools()), rig.now)
    assert rig.write() == ""
