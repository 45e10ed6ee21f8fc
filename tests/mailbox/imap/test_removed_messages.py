"""Messages that others have removed, in sessions that were not told of it (RFC 2180 §4.1)."""

from __future__ import annotations

import time
from typing import Any

from mailstack.mailbox.imap.mailbox_views import MailboxViews
from mailstack.store.mailboxes import DELETED, SEEN, FlagChange, Flags
from tests.aid import run
from tests.mailbox.imap.sessions import BOB, HELLO, ImapServer, ImapTelnet


def expunge_elsewhere(server: ImapServer, uids: list[int], *, other_process: bool = True) -> None:
    """Removes messages; no session of this process is notified of what another process does."""
    if other_process:
        server.service.views.close()
    run(server.store.mailboxes.expunge(BOB, uids))


def three(*, other_process: bool = True) -> tuple[ImapServer, ImapTelnet]:
    """A session in which the second of three messages was removed elsewhere."""
    server = ImapServer()
    for _ in range(3):
        server.deliver(HELLO, system=DELETED)
    telnet = server.selected()
    expunge_elsewhere(server, [2], other_process=other_process)
    return server, telnet


def test_a_message_that_another_session_removed_is_fetched_until_the_client_is_told() -> None:
    """IMAP-68, IMAP-67"""
    for other_process in (True, False):
        _, telnet = three(other_process=other_process)
        expected = {f"* {number} FETCH (FLAGS (\\Deleted) UID {number})" for number in (1, 2, 3)}
        lines = telnet.lines("FETCH 1:3 (FLAGS UID)")
        assert (set(lines[:3]), lines[3:]) == (expected, ["OK FETCH completed"])
        answer = telnet.ask("FETCH 2 (RFC822.SIZE BODY[HEADER.FIELDS (SUBJECT)])")
        assert answer.startswith(f"* 2 FETCH (RFC822.SIZE {len(HELLO)} BODY[HEADER.FIELDS (SUBJECT)] ")
        assert answer.endswith("Subject: hello\r\n\r\n)\r\nOK FETCH completed\r\n")
        assert "first\r\nsecond" in telnet.ask("FETCH 1:3 BODY.PEEK[TEXT]").partition("* 2 FETCH")[2]
        assert telnet.lines("UID FETCH 2 INTERNALDATE")[0].startswith("* 2 FETCH (UID 2 INTERNALDATE ")
        telnet.ask("NOOP")
        assert telnet.lines("UID FETCH 1:3 UID")[:2] == ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)"]
        assert telnet.lines("UID FETCH 2 UID") == ["OK FETCH completed"]


def test_flags_of_a_removed_message_are_stored_for_those_that_show_it() -> None:
    """IMAP-68, IMAP-69"""
    for other_process in (True, False):
        _, telnet = three(other_process=other_process)
        lines = telnet.lines("STORE 1:2 +FLAGS (\\Flagged $Work)")
        assert "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Deleted $Work))" in lines
        assert lines[-1] == "OK STORE completed"
        telnet.ask("STORE 2 -FLAGS.SILENT (\\Deleted)")
        assert telnet.lines("FETCH 2 FLAGS")[0] == "* 2 FETCH (FLAGS (\\Flagged $Work))"
        assert telnet.lines("NOOP")[0] == "* 2 EXPUNGE"


def test_a_removed_message_has_no_older_flags_afterwards() -> None:
    """IMAP-68, IMAP-112: the view of this process had the message still."""
    for command in ("STORE 2 +FLAGS (\\Flagged)", "FETCH 2 BODY.PEEK[]"):
        server, telnet = three()
        uids = run(server.store.mailboxes.store_flags(BOB, [2], FlagChange(added=Flags(SEEN, 0)))).removed
        assert uids == [2]
        telnet.ask(command)
        assert "\\Seen" in telnet.lines("FETCH 2 FLAGS")[0]


def test_a_message_that_is_removed_while_its_flags_are_stored_is_answered() -> None:
    """IMAP-68, IMAP-69: the view has lost it by the time of the answer."""
    server = ImapServer(HELLO)
    telnet, other = server.selected(), server.selected()
    store_flags = server.store.mailboxes.store_flags

    async def store_flags_before_a_removal(*arguments: Any, **options: Any) -> Any:
        stored = await store_flags(*arguments, **options)
        server.store.mailboxes.store_flags = store_flags  # type: ignore[method-assign]
        other.ask("STORE 1 +FLAGS (\\Deleted)")
        other.ask("EXPUNGE")
        return stored

    server.store.mailboxes.store_flags = store_flags_before_a_removal  # type: ignore[method-assign]
    lines = telnet.lines("STORE 1 +FLAGS (\\Flagged)")
    assert lines == ["* 1 FETCH (UID 1 FLAGS (\\Flagged \\Deleted))", "OK STORE completed"]


def test_without_the_kept_message_the_others_are_served() -> None:
    """IMAP-68: after the grace, and with a session of before."""
    server, telnet = three()
    run(server.store.mailboxes.purge_removed(time.time() + 60))
    lines = telnet.lines("FETCH 1:3 (UID)")
    assert lines[:2] == ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)"]
    lines = telnet.lines("FETCH 1:3 BODY.PEEK[]<0.4>")
    assert [line.partition(" (")[0] for line in lines if "FETCH (" in line] == ["* 1 FETCH", "* 3 FETCH"]
    assert lines[-1] == "NO [EXPUNGEISSUED] some of the messages have been removed"


def test_a_moved_message_is_fetched_where_it_was() -> None:
    """IMAP-68"""
    server, other = ImapServer(HELLO), None
    telnet = server.selected()
    other = server.selected()
    other.ask("MOVE 1 Trash")
    assert "first" in telnet.ask("FETCH 1 BODY.PEEK[TEXT]")
    assert telnet.lines("NOOP")[0] == "* 1 EXPUNGE"


def test_the_store_keeps_messages_for_as_long_as_sessions_are_active() -> None:
    """IMAP-68: the time is extended by active sessions, and by none that have no mailbox."""
    server = ImapServer(HELLO)
    extended: list[float] = []
    keep_removed = server.store.mailboxes.keep_removed

    async def extend(mailbox: str, seconds: float) -> None:
        extended.append(seconds)
        await keep_removed(mailbox, seconds)

    server.store.mailboxes.keep_removed = extend  # type: ignore[method-assign]
    telnet = server.selected()
    telnet.ask("NOOP")
    server.selected()
    assert extended == [3600.0]
    server.clock.advance(1801)
    telnet = server.selected()
    telnet.ask("NOOP")
    assert extended == [3600.0] * 2


def test_a_grace_of_zero_keeps_nothing() -> None:
    """IMAP-68"""
    server = ImapServer()
    server.deliver(HELLO, system=DELETED)
    service = server.service
    service.views = MailboxViews(service.mailboxes, server.clock, server.clock.pause, keeps_removed=0.0)
    telnet = server.selected()
    expunge_elsewhere(server, [1])
    assert telnet.lines("FETCH 1 BODY.PEEK[]") == ["NO [EXPUNGEISSUED] some of the messages have been removed"]


def test_flags_of_a_removed_message_change_no_permanent_flags() -> None:
    """IMAP-68, IMAP-71: the keyword is reported as permanent, once."""
    _, telnet = three()
    answer = telnet.ask("STORE 2 +FLAGS ($Work)")
    assert "* 2 FETCH (UID 2 FLAGS (\\Deleted $Work))" in answer
    assert answer.count("PERMANENTFLAGS (") == 1
    assert "PERMANENTFLAGS ()" not in answer
