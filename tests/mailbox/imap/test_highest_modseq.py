"""HIGHESTMODSEQ for clients that resynchronize from the greatest MODSEQ that they have got (RFC 7162 §3.2.5)."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred

from mailstack.store.mailboxes import DELETED, SEEN, FlagChange, Flags
from tests.aid import run
from tests.mailbox.imap.sessions import BOB, HELLO, ImapServer, ImapTelnet

_MODSEQ = re.compile(r"MODSEQ \(?(\d+)")


def synchronized(server: ImapServer) -> ImapTelnet:
    telnet = server.logged_in()
    telnet.ask("ENABLE QRESYNC")
    telnet.ask("SELECT INBOX")
    return telnet


def a_server(*, other_process: bool) -> ImapServer:
    server = ImapServer()
    for _ in range(3):
        server.deliver(HELLO, system=DELETED)
    if other_process:
        server.service.views.close()
    return server


def known_modseq(answer: str) -> int:
    """The mod-sequence from which a client resynchronizes: HIGHESTMODSEQ, and what is greater after it."""
    known = 0
    for line in answer.splitlines():
        for found in _MODSEQ.findall(line):
            known = int(found) if "HIGHESTMODSEQ" in line else max(known, int(found))
    return known


def resynchronized(server: ImapServer, modseq: int) -> str:
    telnet = server.logged_in()
    telnet.ask("ENABLE QRESYNC")
    validity = run(server.store.mailboxes.status(BOB)).validity
    return telnet.ask(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")


def test_a_removal_that_fetch_may_not_report_is_reported_after_a_reconnect() -> None:
    """IMAP-112, IMAP-114: the client has seen a MODSEQ that is greater than that of the removal."""
    for other_process in (True, False):
        server = a_server(other_process=other_process)
        mailboxes, telnet = server.store.mailboxes, synchronized(server)
        run(mailboxes.expunge(BOB, [2]))
        run(mailboxes.store_flags(BOB, [1], FlagChange(added=Flags(SEEN, 0))))
        synchronized(server)
        answer = telnet.ask("FETCH 1:3 (UID FLAGS MODSEQ)") + telnet.ask("FETCH 1 (UID FLAGS MODSEQ)")
        assert "VANISHED" not in answer
        assert "* VANISHED (EARLIER) 2" in resynchronized(server, known_modseq(answer))
        assert "HIGHESTMODSEQ" not in telnet.ask("NOOP")
        assert "HIGHESTMODSEQ" not in telnet.ask("FETCH 1 (UID FLAGS MODSEQ)")


def test_a_command_waits_for_the_removals_of_a_refresh_that_is_under_way() -> None:
    """IMAP-112, IMAP-114: another session of the process has read the flags, and not yet the removals before them."""
    server = a_server(other_process=True)
    mailboxes, telnet, other = server.store.mailboxes, synchronized(server), synchronized(server)
    run(mailboxes.expunge(BOB, [2]))
    run(mailboxes.store_flags(BOB, [1], FlagChange(added=Flags(SEEN, 0))))
    waiting: Deferred[None] = Deferred()
    removals = mailboxes.removals

    async def slow_removals(mailbox: str, since: int) -> Any:
        await waiting
        return await removals(mailbox, since)

    mailboxes.removals = slow_removals  # type: ignore[method-assign]
    assert other.ask("NOOP") == ""
    answer = telnet.ask("UID FETCH 1 (FLAGS MODSEQ)")
    assert "OK" not in answer
    waiting.callback(None)
    answer += telnet.read()
    assert "* VANISHED 2\r\n" in answer
    assert "OK FETCH completed" in answer
    assert "HIGHESTMODSEQ" not in answer
    assert "* VANISHED 2\r\n" in other.read()
