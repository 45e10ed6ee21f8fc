"""IMAP4rev2 and UTF8=ACCEPT, as octets (RFC 9051, RFC 6855)."""

from __future__ import annotations

from tests.mailbox.imap.sessions import HELLO, ImapServer

SMTPUTF8 = "From: Jürgen <jürgen@büro.test>\r\nSubject: Grüße\r\n\r\nx\r\n".encode()


def test_both_revisions_are_announced_and_one_is_enabled() -> None:
    """IMAP-140"""
    telnet = ImapServer(HELLO).connect()
    assert "IMAP4rev1 IMAP4rev2" in telnet.greeting
    telnet.ask('LOGIN bob "secret word"')
    assert telnet.lines("ENABLE IMAP4rev2")[0] == "* ENABLED IMAP4rev2"
    telnet.ask("CREATE &-")
    answer = telnet.ask("SELECT INBOX")
    assert '* LIST () "/" INBOX\r\n' in answer
    assert "RECENT" not in answer
    assert "UNSEEN" not in answer
    assert "* OK [CLOSED]" in telnet.ask("SELECT Sent")


def test_every_search_is_answered_by_esearch() -> None:
    """IMAP-140"""
    telnet = ImapServer(HELLO, HELLO).selected()
    assert telnet.lines("SEARCH ALL")[0] == "* SEARCH 1 2"
    telnet.ask("ENABLE IMAP4rev2")
    assert telnet.lines("SEARCH ALL")[0] == '* ESEARCH (TAG "a5") ALL 1:2'
    assert telnet.lines("UID SEARCH DELETED")[0] == '* ESEARCH (TAG "a6") UID'


def test_names_are_utf8_once_it_is_enabled() -> None:
    """IMAP-12"""
    telnet = ImapServer().logged_in()
    telnet.ask("CREATE &ZeVnLIqe-")
    telnet.ask("ENABLE UTF8=ACCEPT")
    assert '"日本語"' in telnet.ask('LIST "" "日*"')
    assert telnet.ask('CREATE "a&b"').startswith("OK ")
    assert '"/" a&b\r\n' in telnet.ask('LIST "" a*')


def test_headers_in_utf8_are_given_as_they_are() -> None:
    """IMAP-92"""
    telnet = ImapServer(SMTPUTF8).selected()
    assert "{7}\r\nGrüße" in telnet.ask("FETCH 1 ENVELOPE")
    section = "BODY[HEADER.FIELDS (SUBJECT)] {20}\r\nSubject: Grüße\r\n\r\n"
    assert section in telnet.ask("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
    telnet.ask("ENABLE UTF8=ACCEPT")
    assert '"Grüße"' in telnet.ask("FETCH 1 ENVELOPE")


def test_a_renamed_folder_is_listed_with_its_old_name() -> None:
    """IMAP-48, IMAP-140"""
    telnet = ImapServer(HELLO).logged_in()
    telnet.ask("CREATE one")
    assert telnet.lines("RENAME one two") == ["OK RENAME completed"]
    telnet.ask("ENABLE IMAP4rev2")
    assert telnet.lines('RENAME two "ü n"') == ['* LIST () "/" "ü n" ("OLDNAME" (two))', "OK RENAME completed"]
    assert telnet.lines("RENAME INBOX old") == ["OK RENAME completed"]
    assert telnet.lines("RENAME nothing more")[0].startswith("NO [NONEXISTENT] ")
