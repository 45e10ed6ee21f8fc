"""TRANSACTION state of POP3, UTF-8 and languages, as octets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mailstack.letter.letter import Octets
from mailstack.store import Damaged, StoreError
from tests.mailbox.pop3.sessions import DOTS, LETTER, TLS, Server, connected, logged_in

# --- TRANSACTION


def test_an_empty_maildrop() -> None:
    """POP-04"""
    telnet = Server().logged_in()
    assert telnet.say("STAT") == b"+OK 0 0\r\n"
    assert telnet.say("LIST") == b"+OK 0 messages (0 octets)\r\n.\r\n"
    assert telnet.say("UIDL") == b"+OK unique ids follow\r\n.\r\n"
    assert telnet.say("RETR 1", "LIST 1") == b"-ERR no such message\r\n" * 2


def test_a_letter_is_sent_dot_stuffed_and_its_size_is_that_before_stuffing() -> None:
    """POP-05, POP-07"""
    telnet = Server(DOTS).logged_in()
    stuffed = b"Subject: dots\r\n\r\n..\r\n...\r\n..x\r\nend\r\n.\r\n"
    assert telnet.say("RETR 1") == f"+OK {len(DOTS)} octets\r\n".encode() + stuffed
    assert telnet.say("LIST 1") == f"+OK 1 {len(DOTS)}\r\n".encode()
    assert telnet.say("TOP 1 99") == b"+OK top of message follows\r\n" + stuffed
    assert telnet.say("UIDL 1") == b"+OK 1 a1-1\r\n"


@pytest.mark.parametrize(("lines", "body"), [(0, b""), (2, b"first\r\nsecond\r\n"), (9999, LETTER[16:])])
def test_top_shows_header_blank_line_and_so_many_lines_and_collects_nothing(lines: int, body: bytes) -> None:
    """POP-08"""
    server, telnet = logged_in(LETTER)
    expected = b"+OK top of message follows\r\nSubject: one\r\n\r\n" + body + b".\r\n"
    assert telnet.say(f"TOP 1 {lines}") == expected
    telnet.say("QUIT")
    assert not server.shelf.updates


def test_dele_hides_a_letter_for_the_session() -> None:
    """POP-09"""
    telnet = Server(LETTER, DOTS, LETTER).logged_in()
    assert telnet.say("DELE 2") == b"+OK message 2 deleted\r\n"
    heard = telnet.say("DELE 2", "RETR 2", "TOP 2 0", "LIST 2", "UIDL 2")
    assert heard == b"-ERR no such message\r\n" * 5
    assert telnet.say("STAT") == f"+OK 2 {2 * len(LETTER)}\r\n".encode()
    assert [line.split()[0] for line in telnet.say("UIDL").split(b"\r\n")[1:3]] == [b"1", b"3"]
    assert telnet.say("RSET").startswith(b"+OK maildrop has 3 messages")
    assert telnet.say("RETR 2").startswith(b"+OK ")


def test_a_letter_that_comes_during_a_session_shows_in_the_next() -> None:
    """POP-14"""
    server, telnet = logged_in(LETTER)
    server.shelf.letters[2] = Octets(DOTS)
    assert telnet.say("STAT") == f"+OK 1 {len(LETTER)}\r\n".encode()
    assert telnet.say("RETR 2") == b"-ERR no such message\r\n"
    telnet.say("QUIT")
    assert server.logged_in().say("STAT") == f"+OK 2 {len(LETTER) + len(DOTS)}\r\n".encode()


def test_capa_after_login_and_commands_of_before_are_refused() -> None:
    """POP-03, POP-20"""
    telnet = Server().logged_in()
    assert b"IMPLEMENTATION mailstack\r\n" in telnet.say("CAPA")
    for line in ("USER bob", "PASS x", "AUTH PLAIN", "STLS"):
        assert telnet.say(line).startswith(b"-ERR ")


def test_a_store_in_trouble_is_our_trouble_and_the_session_goes_on() -> None:
    server, telnet = logged_in(LETTER)
    server.shelf.faults.add("read")
    assert telnet.say("RETR 1").startswith(b"-ERR [SYS/TEMP] ")
    assert telnet.say("TOP 1 0").startswith(b"-ERR [SYS/TEMP] ")
    server.shelf.faults.clear()
    assert telnet.say("RETR 1").startswith(b"+OK ")


def test_a_letter_that_is_gone_meanwhile_is_an_error() -> None:
    server, telnet = logged_in(LETTER)
    del server.shelf.letters[1]
    assert telnet.say("RETR 1", "TOP 1 1") == b"-ERR the message has been removed meanwhile\r\n" * 2


class Torn:
    """A content whose file can't be read to its end."""

    size = 10**6

    def __init__(self, readable: bytes) -> None:
        self.readable = readable
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            yield self.readable
            raise StoreError("read error")
        finally:
            self.closed = True


def test_a_letter_that_breaks_off_has_no_end_mark_and_is_not_collected() -> None:
    server = Server(LETTER)
    server.shelf.letters[1] = torn = Torn(LETTER * 2000)
    telnet = server.logged_in()
    assert telnet.say("RETR 1", "QUIT") == b"+OK 1000000 octets\r\n" + LETTER * 2000
    assert telnet.closed
    assert torn.closed
    assert not server.shelf.collected
    assert not server.shelf.holders


def test_trouble_before_the_first_octet_is_told() -> None:
    server = Server(LETTER, DOTS)
    server.shelf.letters[1] = Torn(b"")
    telnet = server.logged_in()
    assert telnet.say("RETR 1", "TOP 1 1").count(b"-ERR [SYS/TEMP] ") == 2
    assert telnet.say("RETR 2", "QUIT").endswith(b"\r\nend\r\n.\r\n+OK goodbye\r\n")
    assert server.shelf.collected == {2}


class Long:
    """More chunks than a slow reader takes."""

    size = 10**9

    def __init__(self) -> None:
        self.given = 0
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.given += 1
                yield b"x" * 65536
        finally:
            self.closed = True


def test_a_letter_is_read_no_faster_than_it_is_taken() -> None:
    """POP-30"""
    server = Server(LETTER)
    server.shelf.letters[1] = content = Long()
    telnet = server.logged_in()
    telnet.peer.slow = True
    telnet.say("RETR 1")
    assert content.given == 1
    for taken in range(1, 6):
        telnet.peer.take()
        assert content.given == taken + 1
    telnet.hang_up()
    assert content.closed
    assert not server.shelf.holders
    assert not server.shelf.collected


@pytest.mark.parametrize(("taken", "collected"), [(False, set()), (True, {1})])
def test_a_letter_is_collected_only_when_the_client_has_taken_it(taken: bool, collected: set[int]) -> None:
    server, telnet = logged_in(LETTER)
    telnet.peer.slow = True
    assert telnet.say("RETR 1").endswith(b"third\r\n.\r\n")
    if taken:
        telnet.peer.take()
    telnet.hang_up()
    assert server.shelf.collected == collected
    assert [step.step for step in server.journal.steps] == ["collected"] * len(collected)


def test_top_reads_only_what_it_shows() -> None:
    server = Server(LETTER)
    server.shelf.letters[1] = content = Long()
    content_chunks = content.chunks

    async def chunks() -> AsyncIterator[bytes]:
        yield b"Subject: x\r\n\r\n"
        async for chunk in content_chunks():
            yield chunk

    content.chunks = chunks  # type: ignore[method-assign]
    telnet = server.logged_in()
    assert telnet.say("TOP 1 0") == b"+OK top of message follows\r\nSubject: x\r\n\r\n.\r\n"
    assert content.given == 0


# --- UTF-8 and languages (RFC 6856)

UTF8_LETTER = "Subject: h\u00e9llo\r\n\r\nbody\r\n".encode()


@pytest.mark.parametrize("before_login", [(), ("UTF8",)], ids=["silent", "UTF8"])
@pytest.mark.parametrize(
    "letter",
    [UTF8_LETTER, b"Subject: \xfc\r\n\r\nbody\r\n", b"\xff\x80: \xc3\r\n\r\nbody\r\n", b"\xfe\xff\r\n\r\nbody\r\n"],
    ids=["utf-8", "latin-1", "field name", "no header"],
)
def test_header_beyond_ascii_is_sent_unchanged(letter: bytes, before_login: tuple[str, ...]) -> None:
    """POP-25, POP-05, POP-28: nothing behind it waits, and every command says the same size."""
    server, telnet = connected(letter, LETTER)
    telnet.say(*before_login, "USER bob", "PASS secret word")
    assert telnet.say("LIST 1") == b"+OK 1 %d\r\n" % len(letter)
    assert telnet.say("STAT") == b"+OK 2 %d\r\n" % (len(letter) + len(LETTER))
    assert telnet.say("RETR 1") == b"+OK %d octets\r\n%s.\r\n" % (len(letter), letter)
    assert telnet.say("TOP 1 0").endswith(letter.partition(b"body\r\n")[0] + b".\r\n")
    assert telnet.say("RETR 2").startswith(b"+OK ")
    telnet.say("QUIT")
    assert server.shelf.collected == {1, 2}


def test_utf8_is_no_command_after_the_login_and_may_be_said_again_after_stls() -> None:
    """POP-25, POP-23"""
    telnet = Server(UTF8_LETTER).telnet()
    telnet.say("UTF8", "STLS")
    assert telnet.say("UTF8").startswith(b"+OK ")
    telnet.say("USER bob", "PASS secret word")
    assert telnet.say("UTF8").startswith(b"-ERR ")


def test_a_password_in_utf_8() -> None:
    """POP-25"""
    telnet = Server().telnet(tls=TLS)
    assert b"UTF8 USER\r\n" in telnet.say("CAPA")
    assert telnet.say("UTF8", "USER bob", "PASS p\u00e4ssword").endswith(b"+OK maildrop has 0 messages (0 octets)\r\n")


def test_languages_are_listed_and_chosen_in_both_states() -> None:
    """POP-25"""
    for telnet in (Server().telnet(tls=TLS), Server().logged_in()):
        listing = telnet.say("LANG")
        assert listing.startswith(b"+OK ")
        assert b"\r\ni-default " in listing
        assert b"\r\nen English\r\n" in listing
        assert telnet.say("LANG en-GB").startswith(b"+OK en ")
        assert telnet.say("LANG *").startswith(b"+OK i-default ")
        assert telnet.say("LANG tlh").startswith(b"-ERR ")


def test_damage_is_called_permanent_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """POP-22, CODE-30"""
    server, telnet = logged_in(LETTER)

    async def read(mailbox: str, uid: int) -> None:
        raise Damaged("table entries: nonsense")

    monkeypatch.setattr(server.shelf, "read", read)
    assert telnet.say("RETR 1").startswith(b"-ERR [SYS/PERM] ")


def test_letters_are_told_of_under_the_server_that_holds_the_mailbox() -> None:
    server = Server(LETTER)
    server.holder_of = {"bob@home.test": "mx.other.test"}.__getitem__
    server.logged_in().say("RETR 1", "QUIT")
    assert [step.server for step in server.journal.steps] == ["mx.other.test"]
