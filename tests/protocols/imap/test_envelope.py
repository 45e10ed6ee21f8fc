"""ENVELOPE of odd and ordinary header sections (IMAP-83)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.letter.mime.structure import structure_of
from mailstack.protocols.imap.envelope import MAX_ADDRESSES, NO_ENVELOPE, envelope
from tests.aid import examples
from tests.parsers.mutation import octets_like
from tests.protocols.imap.response_values import values

FIELDS = ("date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id")


def envelope_of(section: bytes, *, utf8: bool = False) -> dict:
    written = envelope(structure_of(section)[0].described.bodies, utf8=utf8)
    (found,) = values(written, utf8=utf8)
    return dict(zip(FIELDS, found, strict=True))


def test_all_fields_stand_in_their_order() -> None:
    """IMAP-83: RFC 3501 §7.4.2."""
    section = (
        b"Message-ID: <m@id>\r\nIn-Reply-To: <r@id>\r\nDate: Thu, 15 Feb 2007 01:02:03 +0200\r\nSubject: a\r\n  b\r\n"
        b"From: A <a@a.test>\r\nTo: B <b@b.test>\r\nCc: c@c.test (C)\r\nBcc: <@r.test,@s.test:d@d.test>\r\n"
        b'Sender: "E \\"e\\" E" <e@e.test>\r\nReply-To: =?utf-8?q?F?= <f@f.test>\r\n\r\n'
    )
    assert envelope_of(section) == {
        "date": b"Thu, 15 Feb 2007 01:02:03 +0200",
        "subject": b"a  b",
        "from": [[b"A", None, b"a", b"a.test"]],
        "sender": [[b'E "e" E', None, b"e", b"e.test"]],
        "reply-to": [[b"=?utf-8?q?F?=", None, b"f", b"f.test"]],
        "to": [[b"B", None, b"b", b"b.test"]],
        "cc": [[b"C", None, b"c", b"c.test"]],
        "bcc": [[None, b"@r.test,@s.test", b"d", b"d.test"]],
        "in-reply-to": b"<r@id>",
        "message-id": b"<m@id>",
    }


def test_what_is_missing_is_nil_and_sender_and_reply_to_default_to_from() -> None:
    """IMAP-83: an empty Sender counts as none."""
    found = envelope_of(b"From: a@b.test\r\nFrom: second@b.test\r\nSender: \r\nSubject:\r\n\r\n")
    authors = [[None, None, b"a", b"b.test"]]
    assert (found["from"], found["sender"], found["reply-to"]) == (authors, authors, authors)
    assert (found["subject"], found["to"], found["date"]) == (b"", None, None)
    assert envelope({}) == NO_ENVELOPE


@pytest.mark.parametrize(
    ("body", "listed"),
    [
        (
            b"group: g1@d1.org, g2@d2.org;, group2: g3@d3.org; , last@d.org",
            [
                [None, None, b"group", None],
                [None, None, b"g1", b"d1.org"],
                [None, None, b"g2", b"d2.org"],
                [None, None, None, None],
                [None, None, b"group2", None],
                [None, None, b"g3", b"d3.org"],
                [None, None, None, None],
                [None, None, b"last", b"d.org"],
            ],
        ),
        (b"undisclosed-recipients:;", [[None, None, b"undisclosed-recipients", None], [None] * 4]),
        (b'"a group": b@c', [[None, None, b"a group", None], [None, None, b"b", b"c"], [None] * 4]),
        (b"jane", [[None, None, b"jane", b""]]),
        (b"Jane <>", [[b"Jane", None, b"", b""]]),
        (b'"a b"@c.test', [[None, None, b"a b", b"c.test"]]),
        (b"a . b @ c . test", [[None, None, b"a.b", b"c.test"]]),
        (b"<a@b@c.test>", [[None, None, b"a@b", b"c.test"]]),
        (b'A "B" C <d@e>', [[b"A B C", None, b"d", b"e"]]),
        (b", ,", None),
        (b"a@b.test ( C (c) ), d@e.test ( )", [[b"C (c)", None, b"a", b"b.test"], [None, None, b"d", b"e.test"]]),
    ],
)
def test_broken_addresses_are_no_syntax_error(body: bytes, listed: list | None) -> None:
    """IMAP-83: only a group has a NIL domain."""
    assert envelope_of(b"To: " + body + b"\r\n\r\n")["to"] == listed


def test_utf_8_is_quoted_for_clients_that_take_it_and_a_literal_for_others() -> None:
    """IMAP-92: nothing is hidden."""
    section = "Subject: grün\r\nTo: Jörg <jörg@bücher.test>\r\n\r\n".encode()
    assert envelope_of(section) == envelope_of(section, utf8=True)
    assert envelope_of(section)["to"] == [["Jörg".encode(), None, "jörg".encode(), "bücher.test".encode()]]
    fields = structure_of(section)[0].described.bodies
    assert b"{" in envelope(fields)
    assert b"{" not in envelope(fields, utf8=True)


@pytest.mark.parametrize("item", [b"a@b,", b"a:;", b'"a\\"" <b@c>,', b"a:b@c;"])
def test_a_field_has_a_limited_number_of_addresses(item: bytes) -> None:
    """IMAP-130: a hostile field takes some milliseconds."""
    listed = envelope_of(b"To: " + item * (60_000 // len(item)) + b"\r\n\r\n")["to"]
    addresses = sum(1 for address in listed if address[3] is not None)
    assert max(addresses, (len(listed) - addresses) // 2) == MAX_ADDRESSES


SEEDS = (
    b'"Doe, J" (c (d)) <j@x.test>, g: a@b.test, <c@d.test>;, x@y (z)',
    b'a@b, "x@y"@c.test ( \\) ), <@r:s@t>, <<a@b.test>>, g:;;:',
)


@settings(max_examples=examples(200))
@given(octets_like(SEEDS), octets_like(SEEDS), st.booleans())
def test_any_octets_give_an_envelope(first: bytes, second: bytes, utf8: bool) -> None:
    """IMAP-130: each address has four strings, and each group an end."""
    found = envelope_of(b"From: " + first + b"\r\nTo: " + second + b"\r\nSubject: " + first + b"\r\n\r\n", utf8=utf8)
    assert len(found) == len(FIELDS)
    for listed in (found["from"], found["to"], found["sender"]):
        in_group = False
        for name, _, local, domain in listed or ():
            if domain is None:
                assert name is None
                assert in_group is (local is None)
                in_group = not in_group
            else:
                assert local is not None
        assert not in_group
