"""IMAP: commands of clients, responses of servers, mailbox names, patterns and sets."""

from __future__ import annotations

import contextlib
import re
import zlib
from typing import Any

from mailstack.letter.envelope import HostPort
from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.imap import commands as imap
from mailstack.protocols.imap import mailbox_names, sequence_set
from mailstack.protocols.imap.client import CommandString, ImapClientEngine, ImapContinuation, ImapViolation
from mailstack.protocols.imap.client_session import ImapClientSession, ImapConnectionLost, ImapRefused
from mailstack.protocols.imap.input_limits import InputLimits
from mailstack.protocols.imap.list_patterns import ListPattern
from mailstack.protocols.imap.server import ImapServerEngine
from tests.parsers.parser import Parser, Pieces, cuts, same_in_every_cut
from tests.protocols.smtp.hosts import ScriptedEngine
from tests.protocols.smtp.pair import Wire

_LIMITS = InputLimits(lines=300, literals=60, login_literals=20, discarded=500)


def _server(octets: bytes) -> None:
    """IMAP-02, IMAP-06: each event gets one reply; LOGIN logs in, SELECT selects, and a message called "refuse" is not accepted."""

    def play(pieces: Pieces) -> Any:
        engine = ImapServerEngine(limits=_LIMITS)
        answers = engine.greeting("ready")
        events: list[Any] = []
        for piece in pieces:
            engine.receive(piece)
            while (event := engine.next_event()) is not NEED_DATA:
                assert not isinstance(event, Signal), "an answer is owed"
                if isinstance(event, imap.MessageOctets):
                    if isinstance(events[-1], imap.MessageOctets):
                        event = imap.MessageOctets(events.pop().octets + event.octets)
                    events.append(event)
                    continue
                events.append(event)
                answers += _answer(engine, event)
                if isinstance(event, imap.ImapStartTls):
                    return events, answers  # what stands behind it is thrown away, or already TLS
            assert engine.buffered <= _LIMITS.lines + 1
        return events, answers

    _, answers = same_in_every_cut(octets, play)
    for line in answers[:-2].split(b"\r\n"):
        assert re.match(rb"[^ \x00-\x1f\x7f-\xff]+ (?:OK|NO|BAD) |\+ ", line), line


def _answer(engine: ImapServerEngine, event: Any) -> bytes:
    match event:
        case imap.ImapRejected():
            return engine.tagged(event.tag, event.status, event.text, event.code)
        case imap.Append(folder="refuse") | imap.AppendNext(message=imap.AppendedMessage(flags=("refuse",))):
            engine.refuse_literal()
            return engine.tagged("t", "NO", "refused")
        case imap.LiteralWanted() | imap.Append() | imap.Replace() | imap.AppendNext():
            return engine.accept_literal()
        case imap.Idle():
            return engine.idling()
        case imap.Authenticate(initial=None):
            return engine.challenge(b"?")
        case imap.ImapLogin() | imap.ImapAuthResponse() | imap.Authenticate() | imap.Close():
            engine.logged_in()
        case imap.Select():
            engine.selected()
        case imap.Enable(extensions=names):
            for name in names:
                engine.enabled(name)
        case _:
            pass
    return engine.tagged(getattr(event, "tag", "t"), "OK", "done")


def _names(octets: bytes) -> None:
    """IMAP-11, IMAP-12, IMAP-13: no name has two encodings, and a pattern made of a name matches it."""
    with contextlib.suppress(ValueError):
        text = mailbox_names.decode_utf7(octets)
        assert mailbox_names.encode_utf7(text) == octets
    for utf8 in (False, True):
        with contextlib.suppress(ValueError):
            mailbox_names.parse_name(octets, utf8=utf8, is_new=True)
        with contextlib.suppress(ValueError):
            ListPattern("", mailbox_names.parse_name(octets, utf8=utf8, is_pattern=True)).matches("INBOX/a/b")
        with contextlib.suppress(ValueError):
            name = mailbox_names.parse_name(octets, utf8=utf8)
            assert mailbox_names.parse_name(mailbox_names.encode_name(name)) == name
            assert ListPattern("", name).matches(name)
            assert ListPattern(name, "*").matches(name)


def _sets(octets: bytes) -> None:
    """IMAP-91: positions and numbers of a set are ascending, and within the mailbox."""
    with contextlib.suppress(ValueError, sequence_set.SequenceOutOfRange):
        numbers = sequence_set.parse_set(octets)
        positions = [at for part in sequence_set.position_ranges(numbers, range(3, 50, 2)) for at in part]
        assert positions == sorted(set(positions))
        assert not positions or (positions[0] >= 0 and positions[-1] < 24)
        found = [number for low, high in sequence_set.number_ranges(numbers, 9) for number in range(low, high + 1)]
        assert found == sorted(set(found) & set(range(1, 10)))


def _compressed(octets: bytes) -> None:
    """Compressed input is events, or ends the session."""
    for pieces in cuts(octets):
        engine = ImapServerEngine(limits=_LIMITS)
        engine.greeting("ready")
        engine.compression_started()
        for piece in pieces:
            engine.receive(piece)
            while (event := engine.next_event()) is not NEED_DATA:
                if not isinstance(event, imap.MessageOctets):
                    _answer(engine, event)


def _client(octets: bytes) -> None:
    """Events, or a violation for good."""

    def play(pieces: Pieces) -> Any:
        engine = ImapClientEngine(line_limit=120, response_limit=300)
        engine.command(b"LOGIN", CommandString(b"a\r"))
        events: list[Any] = []
        for piece in pieces:
            engine.receive(piece)
            while not isinstance(event := engine.next_event(), Signal):
                events.append(event)
                if isinstance(event, ImapViolation):
                    return events
                if isinstance(event, ImapContinuation) and engine.is_waiting:
                    engine.next_part()
            assert engine.buffered <= 120
        return events

    same_in_every_cut(octets, play)


def _session(octets: bytes) -> None:
    """An IMAP server says anything: what the client gets is of the right kind, or it is refused or lost."""
    engine = ImapClientEngine()
    wire = Wire(engine, ScriptedEngine())
    wire.client.remote = HostPort("192.0.2.1", 143)
    session = ImapClientSession(wire.client, engine, max_size=10_000)

    async def visit() -> None:
        try:
            await session.open()
            await session.login("bob", "secret", "PLAIN")
            assert isinstance((await session.select("INBOX")).messages, int)
            assert all(isinstance(folder.name, str) for folder in await session.list_folders())
            assert all(isinstance(value, int) for value in (await session.status("x", "UIDNEXT")).values())
            assert all(isinstance(message.items, dict) for message in await session.fetch("1:*", "FLAGS"))
            assert all(isinstance(uid, int) for uid in await session.search(b"ALL"))
            assert isinstance(await session.append("x", b"y"), str)
            await session.idle(lambda news: news())
            await session.logout()
        except (ImapRefused, ImapConnectionLost):
            return
        finally:
            wire.client.close()

    wire.carry(wire.client, octets)
    wire.server.close()
    wire.converse(visit())


PARSERS = (
    Parser(
        "imap-server",
        (
            "protocols.imap.server",
            "protocols.imap.command_input",
            "protocols.imap.command_table",
            "protocols.imap.literals",
            "protocols.imap.tokenizer",
            "protocols.imap.session_grammar",
            "protocols.imap.folder_grammar",
            "protocols.imap.fetch_grammar",
            "protocols.imap.search_grammar",
            "protocols.imap.sort_grammar",
            "protocols.imap.message_grammar",
            "protocols.imap.append_grammar",
            "protocols.imap.responses",
        ),
        _server,
        (
            (
                b'1 CAPABILITY\r\n2 ID ("a" NIL)\r\n3 AUTHENTICATE PLAIN\r\nAGEAYg==\r\n4 ENABLE UTF8=ACCEPT\r\n5 NAMESPACE\r\n'
                b'6 LIST (SUBSCRIBED) "" (* %) RETURN (CHILDREN STATUS (UNSEEN))\r\n7 STATUS inbox (MESSAGES)\r\n8 LOGOUT\r\n'
            ),
            (
                b"a LOGIN {1}\r\nx {3+}\r\n\r\n\x00\r\nb LOGIN a b\r\nc SELECT INBOX (QRESYNC (1 2 3:4 (5 6)))\r\n"
                b"d UID FETCH 1:*,5 (FLAGS BODY.PEEK[1.HEADER.FIELDS (To)]<0.5>) (CHANGEDSINCE 9 VANISHED)\r\n"
                b"e UID STORE 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen $x)\r\nf IDLE\r\nDONE\r\ng CLOSE\r\n"
            ),
            (
                b"a LOGIN a b\r\nb SELECT x\r\nc UID SEARCH RETURN (MIN PARTIAL 1:5) CHARSET UTF-8 OR NOT (SEEN UID 1:*) HEADER a {1+}\r\nb\r\n"
                b"d SORT (REVERSE DATE) UTF-8 SINCE 1-Feb-1994\r\ne THREAD REFERENCES UTF-8 ALL\r\nf MOVE 1 &ZeVnLIqe-\r\n"
            ),
            (
                b'a LOGIN a b\r\nb APPEND x (\\Seen) "17-Jul-1996 02:44:25 -0700" {3}\r\nabc ~{2+}\r\n\0\n (refuse) {2+}\r\nxy {2+}\r\n\r\n\r\n'
                b"c APPEND {6+}\r\nrefuse {4+}\r\nabcd\r\nd SELECT x\r\ne UID REPLACE * y {1}\r\nz\r\nf FROB {5+}\r\n12345\r\n"
            ),
            b"a STARTTLS\r\n",
            b"a AUTHENTICATE X\r\n*\r\nb IDLE\r\nNOOP\r\nc NOOP\n\r\n\x00 NOOP\r\nd " + b"x" * 300 + b"\r\ne NOOP\r\n",
            b"a FROB {400+}\r\n\r\n {200+}\r\nb NOOP\r\n",
        ),
    ),
    Parser(
        "imap-names",
        ("protocols.imap.mailbox_names", "protocols.imap.list_patterns"),
        _names,
        (b"inbox/&ZeVnLIqe-/a&-b", b"a/%/*b", "é&日/🐟".encode(), b"&2D3cHw-", b"e\xcc\x81/"),
    ),
    Parser(
        "imap-compression",
        ("protocols.imap.compression", "protocols.imap.server"),
        _compressed,
        (zlib.compress(b"a LOGIN a b\r\nb APPEND x {3+}\r\nabc\r\n", wbits=-15), b"\0\1\0\xfe\xffx", b"\xff"),
    ),
    Parser(
        "imap-client",
        ("protocols.imap.client", "protocols.imap.response_values"),
        _client,
        (
            b"* OK [CAPABILITY IMAP4rev1] hi\r\n+ go\r\n* 1 FETCH (FLAGS (\\Seen) BODY[] {3}\r\na\r\n)\r\nA1 OK\r\n",
            b'* PREAUTH\r\n* LIST (\\Noselect) "/" "a\\"b"\r\n* X ~{1}\r\n\0 NIL ((x))\r\nA1 NO [Y z] no\r\n',
            b"* BYE\r\n* SEARCH 1\r\n* FLAGS {400}\r\n",
        ),
    ),
    Parser(
        "imap-client-session",
        ("protocols.imap.client_session", "protocols.imap.client_results"),
        _session,
        (
            (
                b"* OK [CAPABILITY IMAP4rev1 LITERAL+] hi\r\n+ \r\nA1 OK [CAPABILITY IMAP4rev1] in\r\n* 3 EXISTS\r\n"
                b'* FLAGS (\\Seen)\r\n* OK [UIDNEXT 4] x\r\nA2 OK [READ-WRITE] x\r\n* LIST () "/" x\r\nA3 OK\r\n'
                b"* STATUS x (UIDNEXT 4)\r\nA4 OK\r\n* 1 FETCH (FLAGS ())\r\nA5 OK\r\n* SEARCH 1\r\nA6 OK\r\n"
                b"+ go\r\nA7 OK [APPENDUID 1 2]\r\n+ idling\r\n* 4 EXISTS\r\nA8 OK\r\n* BYE\r\nA9 OK\r\n"
            ),
            b"* OK hi\r\n* CAPABILITY x\r\nA1 OK\r\n+ \r\n+ x\r\nA2 BAD\r\n",
        ),
    ),
    Parser("imap-sets", ("protocols.imap.sequence_set",), _sets, (b"1:*,5,9:3", b"$", b"*:4,4294967295")),
)
