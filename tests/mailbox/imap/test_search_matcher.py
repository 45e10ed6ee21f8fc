"""Search of content: decoded fields, dates and bodies (IMAP-100, IMAP-101)."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.mailbox.imap.search_matcher import BODY, COLUMNS, HEADER, ContentTests, cost
from mailstack.mailbox.imap.searched_text import SearchedText
from mailstack.protocols.imap.search_keys import And, DateKey, HeaderKey, Not, Or, SizeKey, TextKey
from tests.aid import examples
from tests.parsers.mutation import octets_like

MESSAGE = (
    b"From: =?utf-8?q?J=C3=B6rg?= <user-from (comment)@ (comment) domain.test>\r\n"
    b"To: groupname: one@d.test, two@d.test;,\r\n  last@d.test (Real To)\r\n"
    b"Subject: hello =?utf-8?b?R1LDnFNTRQ==?=\r\n beautiful world\r\nX-Empty:\r\n"
    b"Date: Sat, 24 Mar 2007 23:00:00 -0800\r\n"
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\nprologue\r\n"
    b"--x\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Stra=DFe and a soft=\r\nbreak\r\n"
    b"--x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"PHA+d29yZHMgPGI+YXI8L2I+ZSBwYXJ0ZWQ8L3A+\r\n"
    b"--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nYXR0YWNoZWQ=\r\n"
    b"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nnested\r\n--x--\r\n"
)


def matches(key: HeaderKey | TextKey | DateKey, octets: bytes = MESSAGE, *, is_whole: bool = True) -> bool | None:
    tests = ContentTests()
    test = tests.compile(key)
    assert test(0, 0) is None
    tests.text = SearchedText(octets, is_whole=is_whole)
    return test(0, 0)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("subject", "HELLO gr\u00fcsse BEAUTIFUL", True),
        ("subject", "GR\u00dcSSE", True),
        ("subject", "gru\u0308\u00dfe", True),
        ("subject", "utf-8", False),
        ("subject", "", True),
        ("x-empty", "", True),
        ("x-none", "", False),
        ("x-empty", "x", False),
        ("from", "user-from@domain.test", True),
        ("from", "j\u00d6rg", True),
        ("to", "groupname", True),
        ("to", "two@d", True),
        ("to", "real to", True),
        ("to", "three", False),
    ],
)
def test_a_field_is_searched_decoded_and_in_any_case(name: str, text: str, expected: bool) -> None:
    """IMAP-100, IMAP-101: a part of a word is enough, and "" is in every such field."""
    assert matches(HeaderKey(name, text)) is expected
    assert matches(HeaderKey(name, text), is_whole=False) is expected


@pytest.mark.parametrize(
    ("text", "in_body", "in_text"),
    [
        ("STRASSE and", True, True),
        ("softbreak", True, True),
        ("words are parted", True, True),
        ("<b>ar</b>", True, True),
        ("nested", True, True),
        ("subject: inner", True, True),
        ("attached", False, False),
        ("application/octet", False, True),
        ("YXR0YWNo", False, False),
        ("PHA+d29y", False, False),
        ("beautiful world", False, True),
        ("subject: hello", False, True),
        ("", True, True),
    ],
)
def test_bodies_are_searched_decoded_and_in_any_case(text: str, in_body: bool, in_text: bool) -> None:
    """IMAP-101: BODY does not search the header section and what is no text; TEXT searches all header sections too."""
    assert matches(TextKey(text, with_header=False)) is in_body
    assert matches(TextKey(text, with_header=True)) is in_text


def test_the_header_section_may_decide() -> None:
    """IMAP-106: the body is read only if it has to be."""
    header = MESSAGE[: MESSAGE.index(b"\r\n\r\n") + 4]
    assert matches(TextKey("beautiful", with_header=True), header, is_whole=False) is True
    assert matches(TextKey("nested", with_header=True), header, is_whole=False) is None
    assert matches(TextKey("beautiful", with_header=False), header, is_whole=False) is None


@pytest.mark.parametrize(
    ("relation", "day", "expected"),
    [
        *(("before", 24, False), ("before", 25, True), ("on", 24, True), ("on", 25, False)),
        *(("since", 24, True), ("since", 25, False)),
    ],
)
def test_sent_dates_ignore_the_zone(relation: str, day: int, expected: bool) -> None:
    """IMAP-100: RFC 3501 §6.4.4."""
    assert matches(DateKey("sent", relation, date(2007, 3, day))) is expected


@pytest.mark.parametrize("field", [b"", b"Date: yesterday\r\n", b"Date: 99 Mar 2007 00:00 +0000\r\n", b"Date:\r\n"])
def test_a_message_without_a_date_was_sent_on_no_day(field: bytes) -> None:
    for relation in ("before", "on", "since"):
        assert matches(DateKey("sent", relation, date(2007, 3, 1)), field + b"\r\n") is False


def test_costs_of_keys() -> None:
    """IMAP-106: columns before header sections before bodies."""
    body, header, column = TextKey("x", with_header=True), HeaderKey("subject", "x"), SizeKey(1, is_larger=True)
    assert [cost(key) for key in (body, header, column)] == [BODY, HEADER, COLUMNS]
    assert cost(And((column, Not(header)))) == HEADER
    assert cost(Or(column, And((body,)))) == BODY
    assert cost(And(())) == cost(DateKey("internal", "on", date(2007, 3, 1))) == COLUMNS
    assert cost(DateKey("sent", "on", date(2007, 3, 1))) == HEADER


@settings(max_examples=examples(100))
@given(octets_like((MESSAGE,)), st.text(max_size=3))
def test_any_octets_can_be_searched(message: bytes, text: str) -> None:
    """IMAP-130: what the header section decides is not decided otherwise by the whole message."""
    for with_header in (True, False):
        matches(TextKey(text, with_header=with_header), message)
    for name in ("from", "subject", "date"):
        decided = matches(HeaderKey(name, text), message, is_whole=False)
        assert decided is matches(HeaderKey(name, text), message)
        if decided:
            assert matches(HeaderKey(name, text.swapcase()), message) or text.swapcase().swapcase() != text
