"""APPEND, COPY and MOVE of IMAP, as octets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.mailbox.imap.append import LineEnds
from mailstack.mailbox.imap.service import ImapLimits
from mailstack.store import StoreError, StoreFull
from tests.mailbox.imap.sessions import HELLO, ImapServer

MESSAGE = "Subject: x\r\n\r\nbody\r\n"


def test_append_with_flags_and_date_is_shown_at_once() -> None:
    """IMAP-60, IMAP-63"""
    telnet = ImapServer().selected()
    assert (
        telnet.send(f'x APPEND INBOX (\\Seen $Note) " 1-Feb-2020 10:00:00 +0200" {{{len(MESSAGE)}}}\r\n') == "+ OK\r\n"
    )
    answer = telnet.send(f"{MESSAGE}\r\n")
    assert answer.startswith("* 1 EXISTS\r\n")
    assert "x OK [APPENDUID " in answer
    line = telnet.lines("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
    assert 'FLAGS (\\Seen $Note) INTERNALDATE " 1-Feb-2020 08:00:00 +0000" RFC822.SIZE 20' in "".join(line)
    assert MESSAGE.strip() in "\r\n".join(line)


def test_append_to_a_mailbox_that_another_session_has_selected() -> None:
    """IMAP-63"""
    server = ImapServer()
    one, other = server.logged_in(), server.selected("Sent")
    one.ask(f"APPEND Sent {{{len(MESSAGE)}+}}\r\n{MESSAGE}")
    assert other.lines("NOOP")[0] == "* 1 EXISTS"


def test_several_messages_are_one_transaction() -> None:
    """IMAP-62"""
    telnet = ImapServer().selected()
    answer = telnet.send("x APPEND INBOX {3+}\r\na\r\n (\\Seen) {3+}\r\nb\r\n\r\n")
    assert "* 2 EXISTS" in answer
    assert answer.rstrip().rpartition("[APPENDUID ")[2].split()[1].startswith("1:2]")


def test_a_refused_message_of_several_leaves_none() -> None:
    """IMAP-62"""
    telnet = ImapServer(limits=ImapLimits(message_size=10)).selected()
    answer = telnet.send(f"x APPEND INBOX {{3+}}\r\na\r\n {{20+}}\r\n{'b' * 20}\r\n")
    assert answer.startswith("x NO [TOOBIG]")
    assert "MESSAGES 0" in telnet.ask("STATUS INBOX (MESSAGES)")


def test_append_to_nowhere_or_beyond_the_limit_asks_for_no_octets() -> None:
    """IMAP-04, IMAP-14, IMAP-61"""
    telnet = ImapServer(limits=ImapLimits(message_size=10)).logged_in()
    assert telnet.ask("APPEND nowhere {5}").startswith("NO [TRYCREATE]")
    assert telnet.ask("APPEND INBOX {11}").startswith("NO [TOOBIG]")
    assert telnet.ask("APPEND INBOX (\\Recent) {5}").startswith("BAD ")
    assert telnet.ask("NOOP").startswith("OK ")


def test_a_refused_literal_that_the_client_sends_anyway_is_read() -> None:
    """IMAP-05"""
    telnet = ImapServer().logged_in()
    assert telnet.send(f"x APPEND nowhere {{{len(MESSAGE)}+}}\r\n{MESSAGE}\r\ny NOOP\r\n") == (
        "x NO [TRYCREATE] no such mailbox\r\ny OK NOOP completed\r\n"
    )


def test_bare_lf_becomes_crlf_and_nul_is_refused() -> None:
    """IMAP-60, IMAP-81"""
    telnet = ImapServer().selected()
    telnet.ask("APPEND INBOX {8+}\r\na: b\n\nc\n")
    answer = telnet.ask("FETCH 1 (RFC822.SIZE BODY[])")
    assert "RFC822.SIZE 11 FLAGS (\\Seen) BODY[] {11}\r\na: b\r\n\r\nc\r\n)" in answer
    assert telnet.ask("APPEND INBOX {3+}\r\na\0b").startswith("BAD ")
    assert telnet.ask("APPEND INBOX ~{3+}\r\na\0b").startswith("NO [CANNOT]")


def test_a_binary_message_is_converted_and_binary_gives_its_octets() -> None:
    """IMAP-60, IMAP-87"""
    telnet = ImapServer().selected()
    message = "Content-Transfer-Encoding: binary\r\nContent-Type: application/x\r\n\r\n\0\1\n\2"
    assert telnet.ask(f"APPEND INBOX ~{{{len(message)}+}}\r\n{message}").startswith("* 1 EXISTS")
    assert "\0" not in telnet.ask("FETCH 1 BODY.PEEK[]")
    assert "BINARY[1] ~{4}\r\n\0\1\n\2 BINARY.SIZE[1] 4)" in telnet.ask("FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])")


@given(st.lists(st.binary(max_size=4).map(lambda octets: octets.replace(b"\1", b"\r").replace(b"\2", b"\n"))))
def test_line_ends_do_not_depend_on_the_pieces(pieces: list[bytes]) -> None:
    """IMAP-06"""
    line_ends = LineEnds()
    octets = b"".join(pieces)
    assert b"".join([line_ends.feed(piece) for piece in pieces]) == octets.replace(b"\r\n", b"\n").replace(
        b"\n", b"\r\n"
    )


def test_replace_is_one_transaction() -> None:
    """IMAP-75"""
    server = ImapServer(HELLO, HELLO)
    telnet = server.selected()
    lines = telnet.lines("REPLACE 1 INBOX (\\Draft) {3+}\r\na\r\n")
    assert lines[0].startswith("* OK [APPENDUID ")
    assert lines[1:] == ["* 1 EXPUNGE", "* 2 EXISTS", "OK REPLACE completed"]
    assert telnet.lines("UID REPLACE 2 Drafts {3+}\r\nb\r\n")[1:] == ["* 1 EXPUNGE", "OK REPLACE completed"]
    assert "MESSAGES 1" in telnet.ask("STATUS Drafts (MESSAGES)")
    assert telnet.lines("UID FETCH 1:* FLAGS")[:-1] == ["* 1 FETCH (UID 3 FLAGS (\\Draft))"]
    assert telnet.ask("UID REPLACE 77 Drafts {3}").startswith("NO [NONEXISTENT]")
    assert telnet.ask("REPLACE 7 Drafts {3}").startswith("BAD ")
    server.faults["append"] = StoreError("the disk is slow")
    assert telnet.ask("REPLACE 1 Drafts {3+}\r\nc\r\n").startswith("NO [UNAVAILABLE]")
    assert telnet.lines("UID FETCH 1:* FLAGS")[:-1] == ["* 1 FETCH (UID 3 FLAGS (\\Draft))"]


def test_copy_keeps_flags_and_answers_with_both_sets() -> None:
    """IMAP-64"""
    telnet = ImapServer(HELLO, HELLO, HELLO).selected()
    telnet.ask("STORE 3 +FLAGS (\\Flagged $Work)")
    answer = telnet.lines("COPY 1,3 Archive")
    assert answer[-1].startswith("OK [COPYUID ")
    assert answer[-1].split("]")[0].split()[-2:] == ["1,3", "1:2"]
    assert telnet.ask("COPY 1 nowhere").startswith("NO [TRYCREATE]")
    assert telnet.ask("UID COPY 77 Archive") == "OK COPY completed\r\n"
    telnet.ask("SELECT Archive")
    assert telnet.lines("FETCH 1:* FLAGS")[:2] == ["* 1 FETCH (FLAGS ())", "* 2 FETCH (FLAGS (\\Flagged $Work))"]


def test_move_reports_the_copies_before_the_removals() -> None:
    """IMAP-65"""
    server = ImapServer(HELLO, HELLO, HELLO)
    telnet, other = server.selected(), server.selected()
    lines = telnet.lines("MOVE 1:2 Trash")
    assert lines[0].startswith("* OK [COPYUID ")
    assert lines[1:] == ["* 2 EXPUNGE", "* 1 EXPUNGE", "OK MOVE completed"]
    assert other.lines("NOOP")[:2] == ["* 2 EXPUNGE", "* 1 EXPUNGE"]
    assert "MESSAGES 2" in telnet.ask("STATUS Trash (MESSAGES)")
    lines = telnet.lines("UID MOVE 3 INBOX")
    assert lines[1:-1] == ["* 1 EXPUNGE", "* 1 EXISTS"]
    assert telnet.lines("FETCH 1 UID")[0] == "* 1 FETCH (UID 4)"


def test_after_qresync_removals_are_vanished_uids() -> None:
    """IMAP-67"""
    telnet = ImapServer(HELLO, HELLO, HELLO).logged_in()
    telnet.ask("ENABLE QRESYNC")
    telnet.ask("SELECT INBOX")
    telnet.ask("STORE 1,3 +FLAGS.SILENT (\\Deleted)")
    lines = telnet.lines("EXPUNGE")
    assert lines[0] == "* VANISHED 1,3"
    assert lines[1].startswith("OK [HIGHESTMODSEQ ")


def test_over_quota() -> None:
    """IMAP-55, IMAP-76"""
    server = ImapServer(HELLO)
    server.service.quota._default = 100
    telnet = server.selected()
    assert telnet.ask("APPEND INBOX {50}").startswith("NO [OVERQUOTA]")
    assert telnet.ask("COPY 1 Sent").startswith("NO [OVERQUOTA]")
    assert telnet.ask("MOVE 1 Sent").startswith("* OK [COPYUID ")


@pytest.mark.parametrize("command", ["STORE 4 +FLAGS (\\Seen)", "COPY 4 Trash", "FETCH 2:9 FLAGS", "MOVE 9 Trash"])
def test_numbers_beyond_the_last_message_are_bad(command: str) -> None:
    """IMAP-91"""
    telnet = ImapServer(HELLO, HELLO, HELLO).selected()
    assert telnet.ask(command).startswith("BAD ")


def test_sets_with_stars_and_gaps() -> None:
    """IMAP-91"""
    server = ImapServer(HELLO, HELLO, HELLO)
    telnet = server.selected()
    assert telnet.lines("FETCH 9:* UID")[0] == "* 3 FETCH (UID 3)"
    assert telnet.lines("FETCH *:2 UID")[:2] == ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"]
    assert telnet.lines("UID FETCH 9:* UID")[0] == "* 3 FETCH (UID 3)"
    assert telnet.lines("UID FETCH 9,11 UID") == ["OK FETCH completed"]
    telnet.ask("SELECT Sent")
    assert telnet.lines("FETCH 1:* UID") == ["OK FETCH completed"]


@pytest.mark.parametrize(
    ("method", "command"),
    [
        ("store_flags", "STORE 1 +FLAGS (\\Seen)"),
        ("append", "APPEND INBOX {3+}\r\na\r\n"),
        ("copy", "COPY 1 Sent"),
        ("move", "MOVE 1 Sent"),
        ("expunge", "EXPUNGE"),
        ("read", "FETCH 1 BODY.PEEK[]"),
    ],
)
def test_a_store_in_trouble_changes_nothing(method: str, command: str) -> None:
    """IMAP-76"""
    server = ImapServer(HELLO)
    telnet = server.selected()
    server.faults[method] = StoreError("the disk is slow")
    answer = telnet.ask(command)
    assert answer.startswith(("NO [UNAVAILABLE] ", "NO [SERVERBUG] "))
    server.faults.clear()
    assert telnet.ask("NOOP") == "OK NOOP completed\r\n"
    assert telnet.lines("STATUS INBOX (MESSAGES UNSEEN)")[0] == "* STATUS INBOX (MESSAGES 1 UNSEEN 1)"
    assert telnet.ask(command).splitlines()[-1].startswith("OK ")


def test_a_full_disk_is_temporary_trouble() -> None:
    """IMAP-76"""
    server = ImapServer()
    server.faults["append"] = StoreFull("no space left on device")
    assert server.logged_in().ask("APPEND INBOX {3+}\r\na\r\n").startswith("NO [UNAVAILABLE] no room")


def test_news_that_cannot_be_read_do_not_spoil_a_command() -> None:
    """IMAP-76"""
    server = ImapServer(HELLO)
    telnet = server.selected()
    server.deliver(HELLO)
    server.faults["status"] = StoreError("the disk is slow")
    assert telnet.ask("NOOP") == "OK NOOP completed\r\n"
    server.faults.clear()
    assert telnet.ask("NOOP") == "* 2 EXISTS\r\nOK NOOP completed\r\n"
