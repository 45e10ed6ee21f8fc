"""A server that dies between any two writes: no letter that was answered with 250 is lost, and none is placed twice.

The journey is a whole one, from the author's client to the reader's; every write of either server is a moment to die at,
before it and right after it. Relaying is at least once: where the answer to a final dot was lost, the letter comes again,
as another one (RFC 1047).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from mailstack.config import RelaySettings, ScheduleSettings
from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.pop3.client import Pop3ConnectionLost, Refused
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.sandbox.simulation import Internet, SimulatedReader, SubmissionRefused, SubmittedLetter

A, B = "mx.a.test", "mx.b.test"


class Story:
    """Ann writes to Bob elsewhere, to Amy at her own server, and to nobody, of whom she hears; all read.

    Whoever is refused or cut off tries again.
    """

    def __init__(self, store: str = "memory") -> None:
        self.internet = Internet(7, transcript=20_000)
        schedule = RelaySettings(ca_file=self.internet.ca.file, schedule=ScheduleSettings(first=300.0, longest=3600.0))
        kept: dict[str, Any] = {"store": store, "relay": schedule}
        self.internet.host(A, domains=["a.test"], accounts=["ann@a.test", "amy@a.test"], **kept)
        self.internet.host(B, domains=["b.test"], accounts=["bob@b.test"], **kept)
        self.taken: list[SubmittedLetter] = []
        self.read: dict[str, dict[str, str]] = {}
        """By mailbox and id, the letters that its reader has."""

    def tell(self) -> None:
        """To its end."""
        self._submit()
        self.internet.run(at_most="10d")
        for user in ("amy@a.test", "bob@b.test", "ann@a.test"):
            self._collect(user)

    def _submit(self) -> None:
        ann = self.internet.author("ann@a.test")
        for _ in range(5):
            try:
                to = ["bob@b.test", "nobody@b.test", "amy@a.test"]
                self.taken.append(ann.submit(to=to, subject="Hello", text="Hello"))
            except (SmtpSessionError, ConnectFailed, SubmissionRefused):
                self.internet.advance("2m")
            else:
                return
        raise AssertionError("the letter was never taken")

    def _collect(self, user: str) -> None:
        reader = self.internet.reader(user)
        for _ in range(5):
            try:
                self.internet.result_of(self._fetch(reader, self.read.setdefault(user, {})))
            except (Pop3ConnectionLost, Refused, ConnectFailed):
                self.internet.advance("2m")
            else:
                return
        raise AssertionError(f"{user} could never read")

    async def _fetch(self, reader: SimulatedReader, into: dict[str, str]) -> None:
        """What was read is there, also where the answer to QUIT is lost; then it is read again, or is gone."""
        session = await reader.session()
        count, _ = await session.stat()
        ids = []
        for number in range(1, count + 1):
            letter = (await session.retr(number)).decode()
            ids.append(letter.partition("id ")[2].partition(" ")[0])
            into[ids[-1]] = letter
            await session.dele(number)
        assert len(set(ids)) == len(ids), f"one letter is twice in the mailbox of {reader.address}: {ids}"
        await session.quit()

    def writes(self) -> dict[str, int]:
        """How often each server wrote."""
        return {name: site.process.writes for name, site in self.internet.servers.items()}

    def check(self) -> None:
        """What was promised is there, and nothing twice."""
        (sent,) = self.taken
        assert not sent.refused
        assert self.read["bob@b.test"], "what was acknowledged has arrived"
        reported = [_returned(report) for report in self.read["ann@a.test"].values()]
        assert sent.id in reported, "what failed was told"
        assert len(set(reported)) == len(reported), f"one failure was told twice: {reported}"
        assert sent.id in self.read["amy@a.test"], "what was acknowledged is there"
        for server in (A, B):
            assert not self._owed(server)

    def _owed(self, server: str) -> bool:
        site = self.internet.servers[server]
        return self.internet.result_of(site.store.queue.next_due(server)) is not None


def _returned(report: str) -> str:
    """The id of the letter that a report is about."""
    found = re.search(r"ESMTPSA\s+id ([0-9a-z]{15})", report)
    assert found, report
    return found[1]


def moments() -> Iterator[tuple[str, int, bool]]:
    """Every write of either server in an undisturbed story, counted from the moment at which both work."""
    story = Story()
    before = story.writes()
    story.tell()
    story.check()
    for server, count in story.writes().items():
        for write in range(1, count - before[server] + 1):
            yield server, write, False
            yield server, write, True


MOMENTS = list(moments())
NAMES = [f"{server}-{write}-{'after' if after else 'before'}" for server, write, after in MOMENTS]


def test_there_are_moments_to_die_at() -> None:
    assert {server for server, _, _ in MOMENTS} == {A, B}
    assert len(MOMENTS) >= 14


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize(("server", "write", "after"), MOMENTS, ids=NAMES)
def test_a_crash_at_any_write_loses_and_doubles_nothing(server: str, write: int, after: bool, store: str) -> None:
    story = Story(store)
    site = story.internet.servers[server]
    process = site.process
    site.crash_at(write, after=after)
    story.tell()
    assert not process.is_alive, "it did die"
    story.check()


@pytest.mark.parametrize(("server", "write", "after"), MOMENTS, ids=NAMES)
def test_a_second_crash_while_it_recovers_changes_nothing(server: str, write: int, after: bool) -> None:
    story = Story()
    site = story.internet.servers[server]

    async def restart() -> None:
        await site.open()
        site.crash_at(1, after=after)

    site.process.kill_at(write, after=after, then=lambda: story.internet.after("1m", restart))
    story.tell()
    story.check()


def test_a_crash_resets_connections_and_refuses_calls_until_it_is_started() -> None:
    story = Story()
    site, ann = story.internet.servers[A], story.internet.author("ann@a.test")
    session = story.internet.result_of(ann.session())
    site.crash()
    assert not site.is_up
    with pytest.raises(SmtpSessionError):
        story.internet.result_of(session.start_tls(None, verify=False))
    with pytest.raises(ConnectFailed, match="refused"):
        ann.submit(to="amy@a.test", text="?")
    site.start()
    assert site.is_up
    story.tell()
    story.check()


def test_sqlite_as_memory() -> None:
    """The store on the disk, in threads, has the same moments."""
    story = Story("sqlite")
    before = story.writes()
    story.tell()
    story.check()
    assert {name: count - before[name] for name, count in story.writes().items()} == {
        server: sum(1 for each, _, after in MOMENTS if each == server and after) for server in (A, B)
    }
