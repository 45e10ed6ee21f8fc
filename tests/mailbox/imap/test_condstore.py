"""CONDSTORE and QRESYNC of IMAP (RFC 7162), as octets."""

from __future__ import annotations

import re

import pytest

from mailstack.mailbox.imap.vanished import common_ranges, unused_ranges
from tests.mailbox.imap.sessions import HELLO, ImapServer, ImapTelnet


def modseq(telnet: ImapTelnet, number: int) -> int:
    """Mod-sequence of a message."""
    found = re.search(r"MODSEQ \((\d+)\)", telnet.ask(f"FETCH {number} MODSEQ"))
    assert found is not None
    return int(found[1])


def state(telnet: ImapTelnet) -> tuple[int, int]:
    """Validity and highest mod-sequence of INBOX."""
    (line,) = [line for line in telnet.lines("STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)") if line.startswith("* STATUS")]
    validity, highest = re.findall(r"\d+", line)
    return int(validity), int(highest)


def test_unchangedsince_refuses_messages_that_have_changed() -> None:
    """IMAP-74"""
    server = ImapServer(HELLO, HELLO, HELLO)
    telnet, other = server.selected(), server.selected()
    since = max(modseq(telnet, number) for number in (1, 2, 3))
    other.ask("STORE 2 +FLAGS (\\Flagged)")
    lines = telnet.lines(f"STORE 1:3 (UNCHANGEDSINCE {since}) +FLAGS (\\Seen)")
    assert lines[-1].startswith("OK [MODIFIED 2] ")
    assert "* 2 FETCH" in "".join(lines)
    assert [number for number in (1, 2, 3) if "\\Seen" in telnet.ask(f"FETCH {number} FLAGS")] == [1, 3]
    assert telnet.lines(f"UID STORE 1,2 (UNCHANGEDSINCE {since}) +FLAGS.SILENT (\\Draft)")[-1].startswith(
        "OK [MODIFIED 1:2] "
    )


def test_a_silent_store_returns_the_modseq_alone() -> None:
    """IMAP-74"""
    telnet = ImapServer(HELLO).selected()
    telnet.ask("ENABLE CONDSTORE")
    before = modseq(telnet, 1)
    line, last = telnet.lines("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert last == "OK STORE completed"
    assert line == f"* 1 FETCH (UID 1 MODSEQ ({modseq(telnet, 1)}))"
    assert modseq(telnet, 1) > before


def test_changedsince_sends_changed_messages_with_their_modseq() -> None:
    """IMAP-88"""
    telnet = ImapServer(HELLO, HELLO).selected()
    _, since = state(telnet)
    telnet.ask("STORE 2 +FLAGS.SILENT (\\Seen)")
    lines = telnet.lines(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {since})")
    assert len(lines) == 2
    assert re.fullmatch(r"\* 2 FETCH \(MODSEQ \(\d+\) FLAGS \(\\Seen\)\)", lines[0])


def test_all_flags_that_are_reported_have_their_modseq() -> None:
    """IMAP-88"""
    server = ImapServer(HELLO)
    telnet, other = server.logged_in(), server.selected()
    telnet.ask("SELECT INBOX (CONDSTORE)")
    other.ask("STORE 1 +FLAGS (\\Flagged)")
    assert re.match(r"\* 1 FETCH \(UID 1 FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)", telnet.ask("NOOP"))
    assert re.match(r"\* 1 FETCH \(FLAGS \(\\Seen \\Flagged\) MODSEQ \(\d+\) BODY\[\]", telnet.ask("FETCH 1 BODY[]"))


def test_a_client_that_comes_again_gets_removals_and_changes() -> None:
    """IMAP-114"""
    server = ImapServer(*[HELLO] * 6)
    telnet = server.selected()
    validity, since = state(telnet)
    telnet.ask("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    telnet.ask("EXPUNGE")
    telnet.ask("STORE 1 +FLAGS.SILENT (\\Seen)")
    server.deliver(HELLO)
    again = server.logged_in()
    again.ask("ENABLE QRESYNC")
    lines = again.lines(f"SELECT INBOX (QRESYNC ({validity} {since}))")
    news = [re.sub(r" MODSEQ \(\d+\)", "", line) for line in lines if "VANISHED" in line or "FETCH" in line]
    assert news == ["* VANISHED (EARLIER) 2,4", "* 1 FETCH (UID 1 FLAGS (\\Seen))", "* 5 FETCH (UID 7 FLAGS ())"]
    lines = again.lines(f"SELECT INBOX (QRESYNC ({validity} {since} 3:5))")
    assert [line for line in lines if "VANISHED" in line or "FETCH" in line] == ["* VANISHED (EARLIER) 4"]
    assert any(line.startswith("* OK [CLOSED]") for line in lines)
    lines = again.lines(f"SELECT INBOX (QRESYNC ({validity} {since} 1:7 (1,2 1,3)))")
    assert [line for line in lines if "VANISHED" in line] == ["* VANISHED (EARLIER) 4"]
    lines = again.lines(f"SELECT INBOX (QRESYNC ({validity - 1} {since}))")
    assert not any("VANISHED" in line or "FETCH" in line for line in lines)


def test_vanished_of_fetch() -> None:
    """IMAP-88"""
    server = ImapServer(*[HELLO] * 4)
    telnet = server.logged_in()
    telnet.ask("ENABLE QRESYNC")
    telnet.ask("SELECT INBOX")
    _, since = state(telnet)
    telnet.ask("STORE 2:3 +FLAGS.SILENT (\\Deleted)")
    telnet.ask("EXPUNGE")
    lines = telnet.lines(f"UID FETCH 1:2 (FLAGS) (CHANGEDSINCE {since} VANISHED)")
    assert lines == ["* VANISHED (EARLIER) 2", "OK FETCH completed"]


def test_qresync_has_to_be_enabled_first() -> None:
    """IMAP-114"""
    assert ImapServer().logged_in().ask("SELECT INBOX (QRESYNC (1 1))").startswith("BAD ")


@pytest.mark.parametrize(
    ("uids", "last", "ranges"),
    [([], 0, []), ([], 3, [(1, 3)]), ([1, 2, 5], 5, [(3, 4)]), ([2], 9, [(1, 1), (3, 9)])],
)
def test_unused_ranges(uids: list[int], last: int, ranges: list[tuple[int, int]]) -> None:
    """IMAP-114"""
    assert unused_ranges(uids, last) == ranges


def test_common_ranges() -> None:
    """IMAP-114"""
    assert common_ranges([(1, 4), (6, 9), (20, 30)], [(3, 7), (9, 22)]) == [(3, 4), (6, 7), (9, 9), (20, 22)]
    assert common_ranges([(1, 2)], []) == []
