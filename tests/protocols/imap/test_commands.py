"""Grammar of IMAP commands but FETCH and SEARCH: good and bad arguments, and the states of each command."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap.command_table import COMMANDS, ImapState
from mailstack.protocols.imap.list_options import ListOptions
from mailstack.protocols.imap.sequence_set import SequenceSet
from tests.protocols.imap.engines import command, events, greeted, logged_in, selected


def numbers(*ranges: tuple[int, int]) -> SequenceSet:
    return SequenceSet(tuple(ranges))


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"CAPABILITY", c.Capability("a")),
        (b"noop", c.ImapNoop("a")),
        (b"LOGOUT", c.Logout("a")),
        (b"ID NIL", c.Id("a")),
        (b"id nil", c.Id("a")),
        (b"ID ()", c.Id("a")),
        (b'ID ("name" "x" "os" NIL)', c.Id("a", (("name", "x"), ("os", None)))),
        (b"LOGIN bob pass]word", c.ImapLogin("a", "bob", "pass]word")),
        (b'LOGIN "b\\"o\\\\b" ""', c.ImapLogin("a", 'b"o\\b', "")),
        ('LOGIN "bäb" "ß"'.encode(), c.ImapLogin("a", "bäb", "ß")),
        (b"LOGIN bob {2+}\r\n\r\n", c.ImapLogin("a", "bob", "\r\n")),
        (b"authenticate plain", c.Authenticate("a", "PLAIN")),
        (b"AUTHENTICATE PLAIN =", c.Authenticate("a", "PLAIN", b"")),
        (b"AUTHENTICATE SCRAM-SHA-256 AGEAYg==", c.Authenticate("a", "SCRAM-SHA-256", b"\0a\0b")),
    ],
)
def test_commands_before_login(line: bytes, event: Any) -> None:
    """IMAP-03, IMAP-04, IMAP-23, IMAP-24, IMAP-28"""
    assert command(greeted(), line) == event


def test_starttls_is_for_connections_in_the_clear() -> None:
    """IMAP-21"""
    assert command(greeted(tls=False), b"STARTTLS") == c.ImapStartTls("a")
    assert isinstance(command(greeted(tls=True), b"STARTTLS"), c.ImapRejected)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"ENABLE condstore UTF8=ACCEPT", c.Enable("a", ("CONDSTORE", "UTF8=ACCEPT"))),
        (b"SELECT inbox", c.Select("a", "INBOX")),
        (b"EXAMINE {5+}\r\niNbOx", c.Select("a", "INBOX", read_only=True)),
        (b"SELECT inbox/x (CONDSTORE)", c.Select("a", "INBOX/x", condstore=True)),
        (b"SELECT x (QRESYNC (1 2))", c.Select("a", "x", qresync=c.Qresync(1, 2))),
        (b"SELECT x (QRESYNC (1 9223372036854775807 1:5,7) CONDSTORE)",
         c.Select("a", "x", condstore=True, qresync=c.Qresync(1, 2**63 - 1, numbers((1, 5), (7, 7))))),
        (b"SELECT x (QRESYNC (1 2 3 (4 5)))",
         c.Select("a", "x", qresync=c.Qresync(1, 2, numbers((3, 3)), (numbers((4, 4)), numbers((5, 5)))))),
        (b"SELECT x (QRESYNC (1 2 (4 5)))",
         c.Select("a", "x", qresync=c.Qresync(1, 2, None, (numbers((4, 4)), numbers((5, 5)))))),
        (b"CREATE a/b/", c.Create("a", "a/b")),
        (b'CREATE "x y" (USE (\\sent \\Drafts \\SENT))', c.Create("a", "x y", ("\\Sent", "\\Drafts"))),
        (b"CREATE x (USE ())", c.Create("a", "x")),
        (b"DELETE &ZeVnLIqe-", c.Delete("a", "日本語")),
        (b"RENAME a b/c", c.Rename("a", "a", "b/c")),
        (b"SUBSCRIBE a&-b", c.Subscribe("a", "a&b")),
        (b"UNSUBSCRIBE x", c.Subscribe("a", "x", on=False)),
        (b'LIST "" *', c.ListFolders("a", "", ("*",), ListOptions())),
        (b'LIST "" !#$&\'+,-.:;<=>?@^_`|[}]%*', c.ListFolders("a", "", ("\0",), ListOptions())),
        (b'LSUB "&" "\xff"', c.Lsub("a", "\0", "\0")),
        (b'LIST "" ""', c.ListFolders("a", "", ("",), ListOptions())),
        (b'LIST a/ "%/&ZeVnLIqe-"', c.ListFolders("a", "a/", ("%/日本語",), ListOptions())),
        (b'LIST (subscribed RECURSIVEMATCH) "" ("a" b%)',
         c.ListFolders("a", "", ("a", "b%"), ListOptions(True, frozenset({"SUBSCRIBED", "RECURSIVEMATCH"})))),
        (b'LIST () "" (x)', c.ListFolders("a", "", ("x",), ListOptions(True))),
        (b'LIST "" "*" RETURN (SPECIAL-USE STATUS (UNSEEN messages))',
         c.ListFolders("a", "", ("*",),
                       ListOptions(True, returns=frozenset({"SPECIAL-USE"}), status=("UNSEEN", "MESSAGES")))),
        (b'LIST "" "*" return ()', c.ListFolders("a", "", ("*",), ListOptions(True))),
        (b'LSUB "" "%"', c.Lsub("a", "", "%")),
        (b"NAMESPACE", c.Namespace("a")),
        (b"STATUS INBOX (MESSAGES SIZE messages HIGHESTMODSEQ)",
         c.ImapStatus("a", "INBOX", ("MESSAGES", "SIZE", "HIGHESTMODSEQ"))),
        (b'GETQUOTA ""', c.GetQuota("a", "")),
        (b"GETQUOTAROOT inbox", c.GetQuotaRoot("a", "INBOX")),
        (b"COMPRESS deflate", c.Compress("a", "DEFLATE")),
    ],
)  # fmt: skip
def test_commands_after_login(line: bytes, event: Any) -> None:
    """IMAP-11, IMAP-12, IMAP-30, IMAP-43, IMAP-44, IMAP-49, IMAP-55"""
    assert command(logged_in(), line) == event
    assert command(selected(), line) == event


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"CHECK", c.ImapNoop("a", "CHECK")),
        (b"CLOSE", c.Close("a", expunges=True)),
        (b"UNSELECT", c.Close("a", expunges=False)),
        (b"EXPUNGE", c.Expunge("a")),
        (b"UID EXPUNGE 3:*", c.Expunge("a", numbers((3, 0)))),
        (b"STORE 1 FLAGS ()", c.StoreFlags("a", numbers((1, 1)), "FLAGS", ())),
        (b"store 2:4 +flags.silent (\\seen $Junk NonJunk)",
         c.StoreFlags("a", numbers((2, 4)), "+FLAGS", ("\\Seen", "$Junk", "NonJunk"), silent=True)),
        (b"UID STORE $ (UNCHANGEDSINCE 12) -FLAGS \\Deleted \\Draft",
         c.StoreFlags("a", SequenceSet((), is_saved=True), "-FLAGS", ("\\Deleted", "\\Draft"), by_uid=True,
                      unchanged_since=12)),
        (b"COPY 1,2 inbox", c.ImapCopy("a", numbers((1, 1), (2, 2)), "INBOX")),
        (b"UID COPY * x", c.ImapCopy("a", numbers((0, 0)), "x", by_uid=True)),
        (b"MOVE 1 x", c.ImapCopy("a", numbers((1, 1)), "x", moves=True)),
        (b"uid move 1 x", c.ImapCopy("a", numbers((1, 1)), "x", moves=True, by_uid=True)),
    ],
)  # fmt: skip
def test_commands_of_the_selected_state(line: bytes, event: Any) -> None:
    """IMAP-66, IMAP-69, IMAP-71, IMAP-74"""
    assert command(selected(), line) == event


@pytest.mark.parametrize(
    "line",
    [
        b"", b" ", b"FROB", b"NOOP x", b"CAPABILITY  x", b"ID", b"ID x", b'ID ("a")', b'ID ("a" "b"', b"ENABLE",
        b"ENABLE (x)", b"SELECT", b"SELECT ", b"SELECT x y", b"SELECT x (FROB)", b"SELECT x ()", b"SELECT x (QRESYNC)",
        b"SELECT x (QRESYNC (0 1))", b"SELECT x (QRESYNC (1 0))", b"SELECT x (QRESYNC (1 1 *))",
        b"SELECT x (QRESYNC (1 1 $))", b"SELECT x (QRESYNC (1 9223372036854775808))", b"SELECT x (CONDSTORE",
        b'SELECT "x', b'SELECT "x\\y"', b"SELECT x\\y", b"CREATE x (USE \\Sent)", b"CREATE x (FROB (\\Sent))",
        b"RENAME x", b"LIST", b'LIST ""', b'LIST (FROB) "" *', b'LIST (RECURSIVEMATCH) "" *',
        b'LIST (RECURSIVEMATCH REMOTE) "" *', b'LIST "" () RETURN ()', b'LIST "" * RETURN (FROB)', b'LIST "" * FROB ()',
        b'LIST "" * RETURN (STATUS ())', b'LIST "" * RETURN (STATUS (FROB))', b'LSUB "" *x y', b"STATUS x",
        b"STATUS x ()", b"STATUS x (FROB)", b"STATUS x MESSAGES", b"COMPRESS", b"STORE 1 FLAGS", b"STORE 1 FLAGS (\\Foo)",
        b"STORE 1 +FLAGS (\\Recent)", b"STORE 0 FLAGS ()", b"STORE 1 FROB ()", b"STORE 1 (UNCHANGEDSINCE x) FLAGS ()",
        b"STORE 1 FLAGS (\\)", b"COPY 1", b"COPY x y", b"STORE 1 FLAGS (a b )", b"COPY 1: y", b"COPY 1,,2 y",
        b"COPY 4294967296 y", b"UID", b"UID NOOP", b"UID EXPUNGE", b"EXPUNGE 1", b"MOVE 1 (x)", b"IDLE now",
        b"UID CHECK", b"DONE", b"\xff\xfe", b"NOOP\xa0",
    ],
)  # fmt: skip
def test_a_malformed_command_is_bad_with_its_tag_and_the_next_is_understood(line: bytes) -> None:
    """IMAP-02"""
    [rejected, noop] = events(selected(), b"a1 " + line + b"\r\na2 NOOP\r\n")
    assert isinstance(rejected, c.ImapRejected)
    assert (rejected.tag, rejected.status, rejected.is_fatal) == ("a1", "BAD", False)
    assert noop == c.ImapNoop("a2")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"SELECT &", "CANNOT"), (b"SELECT &&-", "CANNOT"), (b"SELECT &AGE-", "CANNOT"), (b"SELECT a//b", "CANNOT"),
        (b"SELECT /a", "CANNOT"), (b'SELECT ""', "CANNOT"), (b"SELECT a/", "CANNOT"), ('SELECT "ä"'.encode(), "CANNOT"),
        (b'CREATE "a%"', "CANNOT"), (b'CREATE "a*"', "CANNOT"), (b"CREATE a//", "CANNOT"), (b"CREATE /", "CANNOT"),
        (b"CREATE &AAE-", "CANNOT"), (b"CREATE " + b"a" * 1001, "CANNOT"), (b"CREATE " + b"/".join([b"a"] * 33), "CANNOT"),
        (b"CREATE x (USE (\\Frob))", "USEATTR"), (b"SEARCH CHARSET KOI8-R ALL", "BADCHARSET (UTF-8 US-ASCII)"),
        (b"SORT (DATE) KOI8-R ALL", "BADCHARSET (UTF-8 US-ASCII)"),
    ],
)  # fmt: skip
def test_an_impossible_name_use_or_charset_is_no(line: bytes, code: str) -> None:
    """IMAP-12, IMAP-13, IMAP-14, IMAP-45, IMAP-102"""
    event = command(selected(), line)
    assert isinstance(event, c.ImapRejected)
    assert (event.tag, event.status, event.code) == ("a", "NO", code)


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        (b"", "*"), (b" NOOP", "*"), (b"+ NOOP", "*"), (b"(a) NOOP", "*"), (b"a", "a"), (b"a ", "a"), (b"a  NOOP", "a"),
        (b'a" NOOP', "*"), (b"x" * 65 + b" NOOP", "*"), (b"x" * 64 + b" FROB", "x" * 64), (b"a NO\0OP", "a"),
        (b"a NOOP\rb", "a"), (b"\0 NOOP", "*"), ("ä NOOP".encode(), "*"), (b"]}=. FROB", "]}=."),
    ],
)  # fmt: skip
def test_the_tag_of_a_bad_line(line: bytes, tag: str) -> None:
    """IMAP-02, IMAP-03"""
    [rejected] = events(selected(), line + b"\r\n")
    assert isinstance(rejected, c.ImapRejected)
    assert rejected.tag == tag


def test_a_line_that_ends_in_lf_alone_is_bad() -> None:
    """IMAP-03"""
    [rejected, noop] = events(selected(), b"a1 NOOP\na2 NOOP\r\n")
    assert isinstance(rejected, c.ImapRejected)
    assert rejected.tag == "a1"
    assert noop == c.ImapNoop("a2")


def test_a_line_that_ends_in_lf_alone_is_a_line_by_choice() -> None:
    """IMAP-03: also one that announces a literal, and between lines that end in CR LF."""
    engine = greeted(bare_lf=True)
    [login] = events(engine, b"a LOGIN {1+}\nx {2+}\r\n\ny\n")
    assert login == c.ImapLogin("a", "x", "\ny")
    [nul, capability] = events(engine, b"b NO\0OP\nc CAPABILITY\n")
    assert isinstance(nul, c.ImapRejected)
    assert capability == c.Capability("c")


@pytest.mark.parametrize("name", [name.decode() for name in COMMANDS])
def test_a_command_of_another_state_is_bad(name: str) -> None:
    """IMAP-25"""
    states, _ = COMMANDS[name.encode()]
    for engine in (greeted(tls=False), logged_in(tls=False), selected(tls=False)):
        if engine.state not in states:
            event = command(engine, name.encode())
            assert isinstance(event, c.ImapRejected)
            assert "not allowed" in event.text
    assert ImapState.LOGOUT not in states


def test_nothing_is_read_after_logout() -> None:
    """IMAP-25"""
    engine = selected()
    assert events(engine, b"a LOGOUT\r\nb NOOP\r\n", b"c NOOP\r\n") == [c.Logout("a")]
    assert engine.state is ImapState.LOGOUT
    assert engine.buffered == 0


@pytest.mark.parametrize(
    ("line", "same"),
    [
        (b"SELECT  x", b"SELECT x"),
        (b"STORE 1  FLAGS (a  b)", b"STORE 1 FLAGS (a b)"),
        (b"SEARCH  ALL   ALL ", b"SEARCH ALL ALL"),
        (b"UID  FETCH 1 (FLAGS   UID)  ", b"UID FETCH 1 (FLAGS UID)"),
        (b"NOOP ", b"NOOP"),
    ],
)
def test_several_blanks_are_as_good_as_one(line: bytes, same: bytes) -> None:
    assert command(selected(), line) == command(selected(), same)
    assert not isinstance(command(selected(), line), c.ImapRejected)


def test_limits_of_lists() -> None:
    for line in (
        b"ID (" + b" ".join([b'"a" NIL'] * 31) + b")",
        b"ENABLE " + b" ".join([b"x"] * 102),
        b'LIST "" (' + b" ".join([b"x"] * 34) + b")",
        b"STATUS x (" + b" ".join([b"UIDNEXT"] * 3000) + b")",
        b"STORE 1 FLAGS (" + b" ".join([b"x"] * 502) + b")",
        b"STORE 1 FLAGS " + b" ".join([b"x"] * 502),
    ):
        event = command(selected(), line)
        assert isinstance(event, c.ImapRejected), line[:10]
        assert "too many" in event.text
