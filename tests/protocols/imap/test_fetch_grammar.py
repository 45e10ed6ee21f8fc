"""Grammar of FETCH: items, sections and modifiers."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap.fetch_items import BinarySection, BodySection, FetchAttribute, Preview
from mailstack.protocols.imap.sequence_set import SequenceSet
from tests.protocols.imap.engines import command, selected

ONE = SequenceSet(((1, 1),))


def attributes(*names: str) -> tuple[FetchAttribute, ...]:
    return tuple(map(FetchAttribute, names))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (b"flags", attributes("FLAGS")),
        (b"(UID Flags)", attributes("UID", "FLAGS")),
        (b"FAST", attributes("FLAGS", "INTERNALDATE", "RFC822.SIZE")),
        (b"ALL", attributes("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE")),
        (b"full", attributes("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY")),
        (b"(BODY BODYSTRUCTURE MODSEQ SAVEDATE EMAILID THREADID)",
         attributes("BODY", "BODYSTRUCTURE", "MODSEQ", "SAVEDATE", "EMAILID", "THREADID")),
        (b"RFC822", (BodySection(label="RFC822"),)),
        (b"RFC822.HEADER", (BodySection(text="HEADER", sets_seen=False, label="RFC822.HEADER"),)),
        (b"RFC822.TEXT", (BodySection(text="TEXT", label="RFC822.TEXT"),)),
        (b"BODY[]", (BodySection(),)),
        (b"body.peek[]", (BodySection(sets_seen=False),)),
        (b"BODY[header]<0.100>", (BodySection(text="HEADER", partial=(0, 100)),)),
        (b"BODY[1.2.MIME]", (BodySection((1, 2), "MIME"),)),
        (b"BODY[3]", (BodySection((3,)),)),
        (b'BODY[1.HEADER.FIELDS (Date {4+}\r\nFrom "To")]',
         (BodySection((1,), "HEADER.FIELDS", ("Date", "From", "To")),)),
        (b"(BODY[HEADER.FIELDS.NOT (x)] UID)",
         (BodySection(text="HEADER.FIELDS.NOT", fields=("x",)), FetchAttribute("UID"))),
        (b"BINARY[1]<5.6>", (BinarySection((1,), (5, 6)),)),
        (b"BINARY.PEEK[]", (BinarySection((), sets_seen=False),)),
        (b"BINARY.SIZE[1.2]", (BinarySection((1, 2), sets_seen=False, size_only=True),)),
        (b"PREVIEW", (Preview(),)),
        (b"(UID PREVIEW (LAZY))", (FetchAttribute("UID"), Preview(is_lazy=True))),
    ],
)  # fmt: skip
def test_fetch_items(items: bytes, expected: Any) -> None:
    """IMAP-80, IMAP-85, IMAP-87, IMAP-89"""
    assert command(selected(), b"FETCH 1 " + items) == c.Fetch("a", ONE, expected)
    assert command(selected(), b"uid fetch 1 " + items) == c.Fetch("a", ONE, expected, by_uid=True)


@pytest.mark.parametrize(
    "items",
    [
        b"", b"()", b"FROB", b"(FLAGS", b"FLAGS UID", b"(FLAGS )", b"(FAST UID)", b"((FLAGS))",
        b"BODY[", b"BODY[MIME]", b"BODY[FROB]", b"BODY[0]", b"BODY[1.]", b"BODY[1.0]", b"BODY[HEADER.FIELDS]",
        b"BODY[HEADER.FIELDS ()]", b"BODY[HEADER.FIELDS (a\xff)]", b"BODY[HEADER.FIELDS ({1+}\r\n\n)]", b"BODY[]<0>",
        b"BODY[]<0.0>", b"BODY[]<-1.5>", b"BODY[]<0.9223372036854775808>", b"BODY[]<0.5", b"FLAGS[]", b"RFC822.SIZE[]",
        b"BODYSTRUCTURE[1]", b"BINARY[HEADER]", b"BINARY", b"BINARY.SIZE[1]<0.1>", b"PREVIEW (FAST)", b"PREVIEW (LAZY",
        b"BODY[" + b".".join([b"1"] * 101) + b"]", b"(" + b" ".join([b"BODY[]"] * 202) + b")",
        b"BODY[HEADER.FIELDS (" + b" ".join([b"x"] * 502) + b")]",
    ],
)  # fmt: skip
def test_malformed_fetch_items_are_bad(items: bytes) -> None:
    """IMAP-02, IMAP-82"""
    event = command(selected(), b"FETCH 1 " + items)
    assert isinstance(event, c.ImapRejected)
    assert (event.tag, event.status) == ("a", "BAD")


def test_fetch_modifiers() -> None:
    """IMAP-88"""
    event = command(selected(), b"UID FETCH 1 FLAGS (changedsince 9223372036854775807 VANISHED)")
    assert event == c.Fetch("a", ONE, attributes("FLAGS"), True, 2**63 - 1, True)
    event = command(selected(), b"FETCH 1 (FLAGS) (CHANGEDSINCE 0)")
    assert event == c.Fetch("a", ONE, attributes("FLAGS"), changed_since=0)


@pytest.mark.parametrize(
    "modifiers",
    [b"()", b"(VANISHED)", b"(FROB)", b"(CHANGEDSINCE)", b"(CHANGEDSINCE 9223372036854775808)", b"(CHANGEDSINCE 1"],
)
def test_malformed_modifiers_are_bad(modifiers: bytes) -> None:
    """IMAP-88"""
    assert isinstance(command(selected(), b"UID FETCH 1 FLAGS " + modifiers), c.ImapRejected)


def test_vanished_needs_a_uid_fetch() -> None:
    """IMAP-88"""
    event = command(selected(), b"FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)")
    assert isinstance(event, c.ImapRejected)
