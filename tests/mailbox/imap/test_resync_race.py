"""QRESYNC while messages are removed (RFC 7162 §3.2.5)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailstack.mailbox.imap.vanished import without
from tests.aid import run
from tests.mailbox.imap.sessions import BOB, HELLO, ImapServer


class RemovalBeforeAnswer:
    """Store of mailboxes in which another session removes a message just before removals are read."""

    def __init__(self, server: ImapServer, uid: int) -> None:
        self._mailboxes, self._uid = server.service.mailboxes, uid

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mailboxes, name)

    async def removals(self, mailbox: str, since: int) -> Any:
        uid, self._uid = self._uid, 0
        if uid:
            await self._mailboxes.expunge(mailbox, [uid])
        return await self._mailboxes.removals(mailbox, since)


def test_a_message_removed_during_select_vanishes_once() -> None:
    """IMAP-67, IMAP-114: the client has a number for it, so it is no earlier removal."""
    server = ImapServer(HELLO, HELLO, HELLO)
    other = server.selected()
    other.ask("STORE 1:2 +FLAGS (\\Deleted)")
    other.ask("UID EXPUNGE 1")
    status = run(server.store.mailboxes.status(BOB))
    telnet = server.logged_in()
    telnet.ask("ENABLE QRESYNC")
    server.service.mailboxes = RemovalBeforeAnswer(server, 2)
    answer = telnet.ask(f"SELECT INBOX (QRESYNC ({status.validity} 1))")
    assert "* 2 EXISTS" in answer
    assert "* VANISHED (EARLIER) 1\r\n" in answer
    assert "* VANISHED 2" in telnet.lines("NOOP")


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_ranges_without_uids_are_the_difference(removed: set[int], known: set[int]) -> None:
    """IMAP-114"""
    ranges = [(uid, uid) for uid in sorted(removed)] + [(70, 80)]
    left = {uid for low, high in without(ranges, sorted(known | {75})) for uid in range(low, high + 1)}
    assert left == (removed - known) | set(range(70, 81)) - {75}


def test_other_messages_are_reported_while_removed_messages_have_numbers() -> None:
    """IMAP-114: another session of the process has refreshed the view in the meantime."""
    server = ImapServer(HELLO, HELLO, HELLO)
    other = server.selected()
    other.ask("STORE 1:2 +FLAGS (\\Deleted)")
    status = run(server.store.mailboxes.status(BOB))
    telnet = server.logged_in()
    telnet.ask("ENABLE QRESYNC")
    server.service.mailboxes = ViewRefreshedBeforeAnswer(server)
    answer = telnet.ask(f"SELECT INBOX (QRESYNC ({status.validity} 1))")
    assert "* 3 FETCH (UID 3 " in answer
    assert telnet.ask("NOOP").startswith("* VANISHED 1:2\r\n")


class ViewRefreshedBeforeAnswer(RemovalBeforeAnswer):
    """Removes two messages, and refreshes the view, before removals are read."""

    def __init__(self, server: ImapServer) -> None:
        super().__init__(server, 0)
        self._view = server.service.views._views[BOB]

    async def removals(self, mailbox: str, since: int) -> Any:
        await self._mailboxes.expunge(mailbox, [1, 2])
        found = await self._mailboxes.removals(mailbox, since)
        await self._view.refresh()
        return found
