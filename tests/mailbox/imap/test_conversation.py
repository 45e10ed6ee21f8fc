"""IMAP conversation from login to logout, as octets."""

from __future__ import annotations

import pytest

from mailstack.mailbox.imap.service import ImapLimits
from mailstack.store.mailboxes import DELETED, SEEN
from tests.mailbox.imap.sessions import HELLO, ImapServer


def test_greeting_and_login_announce_capabilities_that_differ() -> None:
    """IMAP-01, IMAP-22"""
    telnet = ImapServer().connect()
    assert telnet.greeting.startswith("* OK [CAPABILITY IMAP4rev1 ")
    assert " AUTH=PLAIN" in telnet.greeting
    answer = telnet.ask('LOGIN bob "secret word"')
    assert answer.startswith("OK [CAPABILITY IMAP4rev1 ")
    assert "AUTH=" not in answer
    assert "NAMESPACE" in answer


def test_select_shows_the_state_of_the_mailbox() -> None:
    """IMAP-50"""
    server = ImapServer(HELLO)
    server.deliver(HELLO, system=SEEN)
    lines = server.logged_in().lines("SELECT inbox")
    assert "* 2 EXISTS" in lines
    assert "* OK [UNSEEN 1] first unseen message" in lines
    assert any(line.startswith("* OK [UIDNEXT 3]") for line in lines)
    assert any(line.startswith("* OK [PERMANENTFLAGS (") and "\\*" in line for line in lines)
    assert lines[-1].startswith("OK [READ-WRITE]")


def test_an_empty_mailbox_has_no_first_unseen_and_a_modseq_from_1() -> None:
    """IMAP-50"""
    answer = ImapServer().logged_in().ask("SELECT INBOX")
    assert "* 0 EXISTS" in answer
    assert "UNSEEN" not in answer
    assert "HIGHESTMODSEQ 0" not in answer


def test_fetch_sends_sections_and_sets_seen() -> None:
    """IMAP-73, IMAP-80"""
    telnet = ImapServer(HELLO).selected()
    assert telnet.ask("FETCH 1 BODY.PEEK[TEXT]") == (
        "* 1 FETCH (BODY[TEXT] {15}\r\nfirst\r\nsecond\r\n)\r\nOK FETCH completed\r\n"
    )
    assert "FLAGS (\\Seen) BODY[]" in telnet.ask("FETCH 1 BODY[]")
    assert "FLAGS" not in telnet.ask("FETCH 1 BODY[]")
    assert telnet.lines("UID FETCH 1 FLAGS")[0] == "* 1 FETCH (UID 1 FLAGS (\\Seen))"


def test_examine_changes_nothing() -> None:
    """IMAP-52"""
    server = ImapServer()
    server.deliver(HELLO, system=DELETED)
    telnet = server.logged_in()
    assert telnet.lines("EXAMINE INBOX")[-1].startswith("OK [READ-ONLY]")
    telnet.ask("FETCH 1 BODY[]")
    assert telnet.lines("FETCH 1 FLAGS")[0] == "* 1 FETCH (FLAGS (\\Deleted))"
    for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 Trash"):
        assert telnet.ask(command).startswith("NO [READ-ONLY]"), command
    telnet.ask("CLOSE")
    assert "MESSAGES 1" in telnet.ask("STATUS INBOX (MESSAGES)")


def test_store_and_expunge() -> None:
    """IMAP-66, IMAP-69"""
    telnet = ImapServer(HELLO, HELLO, HELLO).selected()
    assert telnet.lines("STORE 1,3 +FLAGS (\\Deleted $Junk)")[:2] == [
        "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk)",
        "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk \\*)] flags that stay",
    ]
    assert telnet.lines("STORE 3 -FLAGS.SILENT ($junk)") == ["OK STORE completed"]
    assert telnet.lines("FETCH 1:* FLAGS")[:3] == [
        "* 1 FETCH (FLAGS (\\Deleted $Junk))",
        "* 2 FETCH (FLAGS ())",
        "* 3 FETCH (FLAGS (\\Deleted))",
    ]
    assert telnet.lines("UID EXPUNGE 3")[0] == "* 3 EXPUNGE"
    assert telnet.lines("EXPUNGE")[0] == "* 1 EXPUNGE"
    assert telnet.lines("UID FETCH 1:* FLAGS")[0] == "* 1 FETCH (UID 2 FLAGS ())"


def test_close_expunges_silently_and_unselect_does_not() -> None:
    """IMAP-53"""
    server = ImapServer()
    for _ in range(2):
        server.deliver(HELLO, system=DELETED)
    telnet = server.selected()
    assert telnet.lines("UNSELECT") == ["OK UNSELECT completed"]
    assert "MESSAGES 2" in telnet.ask("STATUS INBOX (MESSAGES)")
    telnet.ask("SELECT INBOX")
    assert telnet.lines("CLOSE") == ["OK CLOSE completed"]
    assert "MESSAGES 0" in telnet.ask("STATUS INBOX (MESSAGES)")
    assert telnet.ask("FETCH 1 FLAGS").startswith("BAD ")


def test_logout_says_bye_and_closes() -> None:
    """IMAP-25"""
    telnet = ImapServer().logged_in()
    answer = telnet.ask("LOGOUT")
    assert answer.startswith("* BYE ")
    assert answer.endswith("OK LOGOUT completed\r\n")
    assert telnet.closed


def test_too_many_bad_commands_end_the_session() -> None:
    """IMAP-02"""
    telnet = ImapServer(limits=ImapLimits(errors=3)).logged_in()
    assert telnet.ask("XYZZY").startswith("BAD ")
    assert telnet.ask("NOOP").startswith("OK ")
    for _ in range(2):
        assert telnet.ask("FETCH 1 FLAGS").startswith("BAD ")
    assert "* BYE [CLIENTBUG]" in telnet.ask("LOGIN a b")
    assert telnet.closed


@pytest.mark.parametrize(("is_logged_in", "seconds"), [(False, 60), (True, 1800)])
def test_autologout(is_logged_in: bool, seconds: int) -> None:
    """IMAP-26"""
    server = ImapServer()
    telnet = server.logged_in() if is_logged_in else server.connect()
    server.clock.advance(seconds - 1)
    assert not telnet.closed
    server.clock.advance(2)
    assert telnet.read().startswith("* BYE ")
    assert telnet.closed


def test_shutdown_and_invalid_login_end_the_session() -> None:
    """IMAP-25"""
    for end in (lambda server, telnet: telnet.peer.stop(), lambda server, telnet: server.sessions.open_now[0]()):
        server = ImapServer()
        telnet = server.selected()
        end(server, telnet)
        assert telnet.read().startswith("* BYE ")
        assert telnet.closed
        assert not server.service.open_sessions
