r"""\Recent between sessions (IMAP-72)."""

from __future__ import annotations

from typing import Any

from tests.mailbox.imap.sessions import HELLO, ImapServer


def test_a_message_is_recent_in_exactly_one_session() -> None:
    """IMAP-72"""
    server = ImapServer(HELLO, HELLO, shows_recent=True)
    first, second = server.selected(), server.logged_in()
    assert first.lines("FETCH 1:2 FLAGS")[:2] == ["* 1 FETCH (FLAGS (\\Recent))", "* 2 FETCH (FLAGS (\\Recent))"]
    assert "* 0 RECENT" in second.lines("SELECT INBOX")
    assert second.lines("FETCH 1 FLAGS")[0] == "* 1 FETCH (FLAGS ())"
    server.deliver(HELLO)
    assert second.lines("NOOP")[:2] == ["* 3 EXISTS", "* 1 RECENT"]
    assert first.lines("NOOP")[0] == "* 3 EXISTS"
    assert first.lines("SEARCH RECENT")[0] == "* SEARCH 1 2"
    assert second.lines("SEARCH OLD")[0] == "* SEARCH 1 2"
    assert second.lines("SEARCH NEW")[0] == "* SEARCH 3"


def test_examine_and_status_show_recent_messages_and_take_none() -> None:
    """IMAP-52, IMAP-72"""
    server = ImapServer(HELLO, shows_recent=True)
    telnet = server.logged_in()
    assert "* 1 RECENT" in telnet.lines("EXAMINE INBOX")
    telnet.ask("UNSELECT")
    assert telnet.lines("STATUS INBOX (RECENT)")[0] == "* STATUS INBOX (RECENT 1)"
    assert "* 1 RECENT" in telnet.lines("SELECT INBOX")
    assert telnet.lines("STATUS INBOX (RECENT)")[0] == "* STATUS INBOX (RECENT 0)"
    assert "* 0 RECENT" in telnet.lines("SELECT INBOX")


def test_the_number_of_recent_messages_follows_removals() -> None:
    """IMAP-72"""
    telnet = ImapServer(HELLO, HELLO, HELLO, shows_recent=True).selected()
    telnet.ask("STORE 2 +FLAGS (\\Deleted)")
    assert telnet.lines("EXPUNGE")[:2] == ["* 2 EXPUNGE", "* 2 RECENT"]
    assert telnet.lines("UID FETCH 3 FLAGS")[0] == "* 2 FETCH (UID 3 FLAGS (\\Recent))"


def test_copies_are_recent_and_recent_can_not_be_set() -> None:
    """IMAP-72"""
    telnet = ImapServer(HELLO, shows_recent=True).selected()
    assert telnet.ask("STORE 1 +FLAGS (\\Recent)").startswith("BAD ")
    telnet.ask("COPY 1 Sent")
    assert telnet.lines("STATUS Sent (RECENT)")[0] == "* STATUS Sent (RECENT 1)"


class SlowFirstClaim:
    """Store of mailboxes in which the first claim of recent messages is overtaken by the next, as on PostgreSQL."""

    def __init__(self, server: ImapServer) -> None:
        self._mailboxes, self._clock = server.service.mailboxes, server.clock
        self._claims = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mailboxes, name)

    async def claim_recent(self, mailbox: str, below: int) -> int:
        self._claims += 1
        if self._claims == 1:
            await self._clock.pause(1)
        return await self._mailboxes.claim_recent(mailbox, below)


def test_no_message_is_lost_between_two_sessions_that_claim_at_once() -> None:
    """IMAP-72"""
    server = ImapServer(HELLO, shows_recent=True)
    first, second = server.logged_in(), server.logged_in()
    server.service.mailboxes = SlowFirstClaim(server)
    first.send("x SELECT INBOX\r\n")
    server.deliver(HELLO)
    second.send("x SELECT INBOX\r\n")
    server.clock.advance(2)
    first.read()
    second.read()
    assert first.lines("SEARCH RECENT")[0] == "* SEARCH 1"
    assert second.lines("SEARCH RECENT")[0] == "* SEARCH 2"
