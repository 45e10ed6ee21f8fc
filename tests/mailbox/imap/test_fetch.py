"""FETCH of IMAP: items, large messages, damage and slow clients."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from mailstack.letter.letter import Octets
from mailstack.mailbox.imap.message_text import IN_MEMORY
from mailstack.store import Damaged, StoreError
from tests.mailbox.imap.sessions import HELLO, ImapServer

MULTIPART = (
    b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n"
)
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * (2 * IN_MEMORY // 18)


class Chunked:
    """A content that is read in chunks, as one on disk is; it may break off."""

    def __init__(self, octets: bytes, error_at: int | None = None) -> None:
        self.size = len(octets)
        self.octets = octets
        self.error_at = error_at
        self.given = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, self.size, 4096):
            if self.error_at is not None and start >= self.error_at:
                raise StoreError("read error")
            self.given += 4096
            yield self.octets[start : start + 4096]


def test_items_come_in_the_order_of_the_command() -> None:
    """IMAP-80"""
    telnet = ImapServer(HELLO).selected()
    line = telnet.lines("FETCH 1 (RFC822.SIZE UID FLAGS INTERNALDATE)")[0]
    assert line == f'* 1 FETCH (RFC822.SIZE {len(HELLO)} UID 1 FLAGS () INTERNALDATE "23-Nov-2025 21:00:00 +0000")'
    assert re.fullmatch(
        r'\* 1 FETCH \(UID 1 EMAILID \(Mletter000000001\) THREADID NIL SAVEDATE "23-Nov-2025 21:00:0\d \+0000"\)',
        telnet.lines("UID FETCH 1 (EMAILID THREADID SAVEDATE)")[0],
    )
    assert telnet.ask("FETCH 1 FAST").startswith("* 1 FETCH (FLAGS () INTERNALDATE ")
    assert telnet.ask("FETCH 1 PREVIEW").startswith('* 1 FETCH (PREVIEW "first second")')


def test_parts_and_binary() -> None:
    """IMAP-80, IMAP-87"""
    telnet = ImapServer(MULTIPART).selected()
    assert "(BODY[1] {4}\r\ntext BODY[2] {4}\r\nAAEC BODY[3] NIL)" in telnet.ask(
        "FETCH 1 (BODY.PEEK[1] BODY.PEEK[2] BODY.PEEK[3])"
    )
    assert "(BINARY[2] ~{3}\r\n\0\1\2 BINARY.SIZE[2] 3)" in telnet.ask("FETCH 1 (BINARY.PEEK[2] BINARY.SIZE[2])")
    assert "BODY[]<7> {5}\r\n: par)" in telnet.ask("FETCH 1 BODY.PEEK[]<7.5>")


def test_no_literal_but_that_of_binary_has_a_nul() -> None:
    """IMAP-10, IMAP-87: an octet of the same size stands for it, so that RFC822.SIZE and partial fetches remain right."""
    telnet = ImapServer(b"Subject: a\0b\r\n\r\nc\0d").selected()
    answer = telnet.ask(
        "FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT]<1.2> BODY.PEEK[1] BODY.PEEK[HEADER.FIELDS (Subject)] BINARY.PEEK[1])"
    )
    before, _, binary = answer.encode("utf-8", "surrogateescape").partition(b"BINARY[1] ")
    assert b"BODY[] {19}\r\nSubject: a\x80b\r\n\r\nc\x80d" in before
    assert b"BODY[TEXT]<1> {2}\r\n\x80d" in before
    assert b"BODY[1] {3}\r\nc\x80d" in before
    assert b"BODY[HEADER.FIELDS (Subject)] {16}\r\nSubject: a\x80b\r\n\r\n" in before
    assert binary.startswith(b"~{3}\r\nc\0d")


def test_an_unknown_encoding_is_refused_for_binary_alone() -> None:
    """IMAP-87"""
    odd = MULTIPART.replace(b"base64", b"x-odd")
    telnet = ImapServer(odd, HELLO).selected()
    answer = telnet.ask("FETCH 1:2 (BINARY.PEEK[2])")
    assert answer == "* 2 FETCH (BINARY[2] NIL)\r\nNO [UNKNOWN-CTE] a part has an unknown Content-Transfer-Encoding\r\n"
    assert "BODY[2] {4}" in telnet.ask("FETCH 1 BODY.PEEK[2]")


def test_a_large_message_is_streamed_and_its_partial_reads_no_further() -> None:
    """IMAP-15, IMAP-82"""
    server = ImapServer(LARGE)
    content = Chunked(LARGE)
    telnet = server.selected()
    server.contents[1] = content
    assert telnet.ask("FETCH 1 BODY.PEEK[]") == (
        f"* 1 FETCH (BODY[] {{{len(LARGE)}}}\r\n{LARGE.decode()})\r\nOK FETCH completed\r\n"
    )
    content.given = 0
    assert telnet.ask("FETCH 1 BODY.PEEK[TEXT]<0.16>").startswith("* 1 FETCH (BODY[TEXT]<0> {16}\r\n0123456789abcdef)")
    assert content.given <= 16384
    assert telnet.ask("FETCH 1 BODY.PEEK[HEADER]") == (
        "* 1 FETCH (BODY[HEADER] {18}\r\nSubject: large\r\n\r\n)\r\nOK FETCH completed\r\n"
    )
    assert f"BINARY.SIZE[1] {len(LARGE) - 18})" in telnet.ask("FETCH 1 BINARY.SIZE[1]")
    assert telnet.ask("FETCH 1 BINARY.PEEK[1]<18.6>").startswith("* 1 FETCH (BINARY[1]<18> {6}\r\n012345)")
    assert '"text" "plain"' in telnet.ask("FETCH 1 BODYSTRUCTURE")


def test_a_client_that_reads_slowly_is_waited_for() -> None:
    """IMAP-15"""
    server = ImapServer(*[b"Subject: x\r\n\r\n" + b"y" * 100_000] * 10)
    telnet = server.selected()
    telnet.peer.slow = True
    received = len(telnet.ask("FETCH 1:* BODY.PEEK[]"))
    for _ in range(100):
        assert received < 1_200_000
        telnet.peer.take()
        more = telnet.read()
        assert len(more) < 300_000
        received += len(more)
        if "OK FETCH" in more:
            break
    assert received > 1_000_000
    server.clock.advance(0)
    telnet.ask("FETCH 1:* BODY.PEEK[]")
    server.clock.advance(121)
    assert telnet.closed


def test_a_message_that_breaks_off_ends_the_session() -> None:
    """IMAP-10"""
    server = ImapServer(LARGE)
    telnet = server.selected()
    server.contents[1] = Chunked(LARGE, error_at=200_000)
    answer = telnet.ask("FETCH 1 BODY.PEEK[]")
    assert answer.startswith(f"* 1 FETCH (BODY[] {{{len(LARGE)}}}\r\nSubject: large")
    assert "OK" not in answer
    assert telnet.closed


def test_a_damaged_message_does_not_hide_the_others() -> None:
    """IMAP-76"""
    server = ImapServer(HELLO, HELLO, HELLO)
    telnet = server.selected()
    server.contents[2] = Damaged("digest differs")
    lines = telnet.lines("FETCH 1:3 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert [line for line in lines if "FETCH" in line and line.startswith("*")] == [
        f"* {number} FETCH (UID {number} BODY[HEADER.FIELDS (SUBJECT)] {{18}}" for number in (1, 3)
    ]
    assert lines[-1].startswith("NO [SERVERBUG]")


def test_error_before_the_first_octet_of_a_message_drops_that_message_alone() -> None:
    """IMAP-76"""
    server = ImapServer(HELLO, HELLO)
    telnet = server.selected()
    server.contents[1] = Chunked(LARGE, error_at=0)
    answer = telnet.ask("FETCH 1:2 BODY.PEEK[TEXT]")
    assert answer.startswith("* 2 FETCH (BODY[TEXT] {15}")
    assert "NO [SERVERBUG]" in answer
    server.contents[1] = Octets(HELLO)
    assert telnet.ask("FETCH 1 BODY.PEEK[TEXT]").startswith("* 1 FETCH (BODY[TEXT] {15}")
