"""SEARCH of IMAP with its extensions, as octets."""

from __future__ import annotations

import pytest

from mailstack.mailbox.imap.service import ImapLimits
from mailstack.store.mailboxes import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from tests.mailbox.imap.sessions import HELLO, ImapServer, ImapTelnet

HELLO_UTF8 = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@home.test>\r\nDate: Sat, 1 Feb 2020 23:30:00 -0500\r\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nX-Empty:\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nStra=C3=9Fe 9\r\n"
)


def found(telnet: ImapTelnet, key: str) -> list[int]:
    """Numbers in the answer to a SEARCH."""
    line, *_, last = telnet.lines(f"SEARCH {key}")
    assert last == "OK SEARCH completed", last
    return [int(number) for number in line.removeprefix("* SEARCH").split()]


@pytest.fixture
def telnet() -> ImapTelnet:
    """Session with four messages of different flags."""
    server = ImapServer()
    server.deliver(HELLO, system=SEEN | ANSWERED)
    server.deliver(HELLO_UTF8, system=FLAGGED)
    server.deliver(HELLO + b"x" * 1000, system=DELETED | DRAFT)
    server.deliver(HELLO)
    telnet = server.selected()
    telnet.ask("STORE 4 +FLAGS.SILENT ($Work)")
    return telnet


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("ALL", [1, 2, 3, 4]),
        ("SEEN", [1]),
        ("UNSEEN", [2, 3, 4]),
        ("ANSWERED", [1]),
        ("FLAGGED", [2]),
        ("DELETED", [3]),
        ("DRAFT UNANSWERED", [3]),
        ("KEYWORD $work", [4]),
        ("UNKEYWORD $work", [1, 2, 3]),
        ("KEYWORD $other", []),
        ("NEW", [2, 3, 4]),
        ("OLD", []),
        ("LARGER 1000", [3]),
        ("SMALLER 1000", [1, 2, 4]),
        ("NOT SEEN NOT FLAGGED", [3, 4]),
        ("OR SEEN (DELETED DRAFT)", [1, 3]),
        ("2:3", [2, 3]),
        ("*", [4]),
        ("3:99", [3, 4]),
        ("99", []),
        ("UID 4,99", [4]),
        ("BEFORE 1-Jan-2020", []),
        ("SINCE 1-Jan-2020", [1, 2, 3, 4]),
        ("ON 23-Nov-2025", [1, 2, 3, 4]),
        ("YOUNGER 3600", [1, 2, 3, 4]),
        ("OLDER 3600", []),
        ("SENTON 1-Feb-2020", [2]),
        ("SENTSINCE 2-Feb-2020", []),
        ("SUBJECT hell", [1, 3, 4]),
        ("FROM ann@home", [1, 3, 4]),
        ("HEADER X-Empty {0+}\r\n", [2]),
        ("BODY SECOND", [1, 3, 4]),
        ("TEXT ann", [1, 3, 4]),
        ("CHARSET UTF-8 SUBJECT {7+}\r\ngrüße", [2]),
        ("CHARSET UTF-8 BODY {8+}\r\nSTRASSE ", [2]),
        ("OR SUBJECT nothing BODY first", [1, 3, 4]),
        ("NOT BODY first", [2]),
        ("EMAILID Mletter000000002", [2]),
        ("MODSEQ 99", []),
    ],
)
def test_keys(telnet: ImapTelnet, key: str, numbers: list[int]) -> None:
    """IMAP-100, IMAP-101, IMAP-102"""
    assert found(telnet, key) == numbers


def test_numbers_and_uids_are_never_mixed(telnet: ImapTelnet) -> None:
    """IMAP-103"""
    telnet.ask("EXPUNGE")
    assert telnet.lines("SEARCH ALL")[0] == "* SEARCH 1 2 3"
    assert telnet.lines("UID SEARCH ALL")[0] == "* SEARCH 1 2 4"
    assert telnet.lines("UID SEARCH DELETED")[0] == "* SEARCH"
    assert telnet.lines("UID SEARCH RETURN () DELETED")[0] == '* ESEARCH (TAG "a8") UID'


@pytest.mark.parametrize(
    ("options", "results"),
    [
        ("", " ALL 2:4"),
        ("MIN MAX", " MIN 2 MAX 4"),
        ("COUNT", " COUNT 3"),
        ("ALL COUNT", " COUNT 3 ALL 2:4"),
        ("PARTIAL 2:3", " PARTIAL (2:3 3:4)"),
        ("PARTIAL -1:-2", " PARTIAL (-1:-2 3:4)"),
        ("PARTIAL 9:12", " PARTIAL (9:12 NIL)"),
    ],
)
def test_return_options(telnet: ImapTelnet, options: str, results: str) -> None:
    """IMAP-104"""
    assert telnet.lines(f"SEARCH RETURN ({options}) UNSEEN")[0] == f'* ESEARCH (TAG "a4"){results}'


def test_saved_result(telnet: ImapTelnet) -> None:
    """IMAP-104"""
    assert telnet.lines("SEARCH RETURN (SAVE) UNSEEN") == ["OK SEARCH completed"]
    assert telnet.lines("FETCH $ UID")[:-1] == [f"* {n} FETCH (UID {n})" for n in (2, 3, 4)]
    assert found(telnet, "$ DELETED") == [3]
    telnet.ask("EXPUNGE")
    assert telnet.lines("UID FETCH $ UID")[:-1] == ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 4)"]
    assert telnet.lines("SEARCH RETURN (SAVE MIN) ALL")[0] == '* ESEARCH (TAG "a9") MIN 1'
    assert telnet.lines("FETCH $ UID")[:-1] == ["* 1 FETCH (UID 1)"]


def test_modseq_is_in_the_answer(telnet: ImapTelnet) -> None:
    """IMAP-104"""
    telnet.ask("STORE 2 +FLAGS.SILENT (\\Seen)")
    (modseq,) = [
        line.split("(")[2].split(")")[0]
        for line in telnet.lines("FETCH 2 MODSEQ")
        if "FETCH" in line and "(MODSEQ" in line
    ]
    assert telnet.lines("SEARCH RETURN (MIN) OR 1 2 MODSEQ 1")[0].startswith('* ESEARCH (TAG "a6") MIN 1 MODSEQ ')
    assert telnet.lines(f"SEARCH MODSEQ {modseq}")[0] == f"* SEARCH 2 (MODSEQ {modseq})"
    assert telnet.lines("SEARCH MODSEQ 999")[0] == "* SEARCH"


def test_an_unknown_charset() -> None:
    """IMAP-102"""
    assert ImapServer().selected().ask("SEARCH CHARSET KOI8-R ALL").startswith("NO [BADCHARSET (")


def test_a_search_ends_after_a_time() -> None:
    """IMAP-107"""
    server = ImapServer(*[HELLO] * 200, limits=ImapLimits(search_time=-1))
    assert server.selected().ask("SEARCH BODY nothing").startswith("NO [LIMIT]")


def test_a_long_search_reports_its_progress() -> None:
    """IMAP-90, IMAP-107"""
    server = ImapServer(*[HELLO] * 200)
    pause = server.clock.pause

    async def slow(_: float) -> None:
        await pause(4)

    server.service.pause = slow
    telnet = server.selected()
    telnet.send("xy SEARCH BODY nothing\r\n")
    server.clock.advance(59)
    lines = telnet.read().splitlines()
    assert [line.split("]")[0] for line in lines if "INPROGRESS" in line][:2] == [
        '* OK [INPROGRESS ("xy" 64 200)',
        '* OK [INPROGRESS ("xy" 128 200)',
    ]
    assert lines[-1] == "xy OK SEARCH completed"


def test_quota_commands() -> None:
    """IMAP-55"""
    server = ImapServer(HELLO * 20)
    telnet = server.logged_in()
    assert telnet.lines("GETQUOTAROOT INBOX")[:2] == ['* QUOTAROOT INBOX ""', '* QUOTA "" ()']
    server.service.quota._default = 10240
    assert telnet.lines('GETQUOTA ""')[0] == '* QUOTA "" (STORAGE 2 10)'
    assert telnet.ask("GETQUOTA other").startswith("NO ")
    assert telnet.ask("GETQUOTAROOT nothing").startswith("NO [NONEXISTENT]")


def letter(subject: str, message_id: str, references: str = "") -> bytes:
    return f"Subject: {subject}\r\nMessage-ID: <{message_id}>\r\nReferences: {references}\r\n\r\nx\r\n".encode()


def test_sort() -> None:
    """IMAP-105"""
    telnet = ImapServer(letter("c", "1"), letter("Re: a", "2"), letter("b", "3", "<other@one>")).selected()
    assert telnet.lines("SORT (SUBJECT) UTF-8 ALL")[0] == "* SORT 2 3 1"
    assert telnet.lines("UID SORT (REVERSE SUBJECT) UTF-8 2:3")[0] == "* SORT 3 2"
    assert telnet.lines("SORT (ARRIVAL REVERSE SIZE) UTF-8 ALL")[0] == "* SORT 3 2 1"
    assert telnet.lines("SORT (SIZE) UTF-8 ALL")[0] == "* SORT 1 2 3"
    assert (
        telnet.lines("SORT RETURN (MIN COUNT ALL) (SUBJECT) UTF-8 ALL")[0]
        == '* ESEARCH (TAG "a7") MIN 2 COUNT 3 ALL 2:3,1'
    )


def test_thread() -> None:
    """IMAP-105"""
    telnet = ImapServer(letter("a", "1@x"), letter("b", "2@x"), letter("Re: a", "3@x", "<1@x>")).selected()
    assert telnet.lines("THREAD REFERENCES UTF-8 ALL")[0] == "* THREAD (1 3)(2)"
    assert telnet.lines("UID THREAD ORDEREDSUBJECT UTF-8 ALL")[0] == "* THREAD (1 3)(2)"
    assert telnet.ask("THREAD REFS UTF-8 ALL").startswith("BAD ")
