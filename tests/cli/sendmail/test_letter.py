"""What becomes of a letter from standard input before it is submitted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.cli.sendmail.enqueue import Person, Prepared, lines, prepare
from mailstack.cli.sendmail.options import NOUSER, USAGE, SendmailError, SendmailOptions

WEB = Person("www", "Web Server")


def prepared(text: bytes, **options: object) -> Prepared:
    return prepare(text, SendmailOptions(**{"from_header": True, **options}), WEB, "home.test")  # type: ignore[arg-type]


def to(letter: Prepared) -> list[str]:
    return [str(recipient.address) for recipient in letter.envelope.recipients]


@pytest.mark.parametrize(
    ("octets", "dot_ends", "expected"),
    [
        (b"a\nb\n", True, b"a\r\nb\r\n"),
        (b"a\r\nb", True, b"a\r\nb\r\n"),
        (b"a\rb\n", True, b"a\r\nb\r\n"),
        (b"a\n.\nb\n", True, b"a\r\n"),
        (b"a\n.\nb\n", False, b"a\r\n.\r\nb\r\n"),
        (b"a\n.", True, b"a\r\n"),
        (b".\na\n", True, b""),
        (b"From www Mon Nov 23\nTo: a\n", True, b"To: a\r\n"),
    ],
)
def test_lines_end_in_crlf_and_a_dot_ends_the_letter_if_it_may(octets: bytes, dot_ends: bool, expected: bytes) -> None:
    assert lines(octets, dot_ends=dot_ends) == expected


@given(st.binary(max_size=200), st.booleans())
def test_no_octets_leave_a_line_without_its_end(octets: bytes, dot_ends: bool) -> None:
    text = lines(octets, dot_ends=dot_ends)
    assert text.count(b"\r") == text.count(b"\n") == text.count(b"\r\n")
    assert not text or text.endswith(b"\r\n")


def test_recipients_are_those_of_to_cc_and_bcc_with_those_named() -> None:
    letter = prepared(
        b"To: Al <al@x.test>, bob\nCc: =?utf-8?q?C?= <carol@x.test>\nBcc: dave@x.test,\n\teve@x.test\nSubject: x\n\nx\n",
        recipients=("fred@x.test", "al@x.test"),
    )
    assert to(letter) == ["fred@x.test", "al@x.test", "bob@home.test", "carol@x.test", "dave@x.test", "eve@x.test"]


def test_of_a_letter_that_is_sent_again_only_the_resent_fields_count() -> None:
    letter = prepared(b"To: al@x.test\nResent-To: bob@x.test\nResent-Bcc: carol@x.test\n\nx\n")
    assert to(letter) == ["bob@x.test", "carol@x.test"]


def test_without_t_the_header_names_nobody() -> None:
    letter = prepared(b"To: al@x.test\n\nx\n", from_header=False, recipients=("bob@x.test, carol@x.test",))
    assert to(letter) == ["bob@x.test", "carol@x.test"]


@pytest.mark.parametrize(("text", "options"), [(b"Subject: x\n\nx\n", {}), (b"x\n", {"from_header": False})])
def test_a_letter_for_nobody_is_wrong_usage(text: bytes, options: dict[str, object]) -> None:
    with pytest.raises(SendmailError) as ended:
        prepared(text, **options)
    assert ended.value.code == USAGE


def test_what_is_no_address_is_said() -> None:
    with pytest.raises(SendmailError) as ended:
        prepared(b"To: <a b@x.test>\n\nx\n")
    assert ended.value.code == NOUSER


@pytest.mark.parametrize(
    ("options", "sender", "author"),
    [
        ({}, "www@home.test", b"From: Web Server <www@home.test>\r\n"),
        ({"sender": "web@x.test"}, "web@x.test", b"From: Web Server <web@x.test>\r\n"),
        ({"sender": ""}, None, b"From: Web Server <www@home.test>\r\n"),
        ({"name": 'J. "J" Doe'}, "www@home.test", b'From: "J. \\"J\\" Doe" <www@home.test>\r\n'),
    ],
)
def test_default_sender_and_from_are_of_the_caller(
    options: dict[str, object], sender: str | None, author: bytes
) -> None:
    letter = prepared(b"To: al@x.test\n\nx\n", **options)
    assert (None if letter.envelope.sender is None else str(letter.envelope.sender)) == sender
    assert letter.section.startswith(author)


def test_a_name_can_not_make_another_header() -> None:
    letter = prepared(b"To: al@x.test\n\nx\n", name="x\r\nBcc: eve@x.test")
    assert letter.section.count(b"\r\n") == 3
    assert to(letter) == ["al@x.test"]


def test_from_is_left_where_it_is() -> None:
    assert prepared(b"From: x@y.test\nTo: al@x.test\n\nx\n").section == b"From: x@y.test\r\nTo: al@x.test\r\n\r\n"


def test_a_letter_without_a_header_is_all_body() -> None:
    letter = prepared(b"just text: no\n header\n", from_header=False, recipients=("al@x.test",))
    assert letter.section.endswith(b"\r\n\r\n")


def test_wishes_for_reports_go_into_the_envelope() -> None:
    """DSN-01: as -N, -V and -R say."""
    letter = prepared(b"To: al@x.test\n\nx\n", notify="SUCCESS", envid="a b=c", ret="HDRS")
    assert dict(letter.envelope.parameters) == {"RET": "HDRS", "ENVID": "a+20b+3Dc"}
    assert letter.envelope.recipients[0].parameters == (("NOTIFY", "SUCCESS"),)


@pytest.mark.parametrize(
    ("text", "body", "utf8"),
    [
        (b"To: al@x.test\n\nx\n", "7BIT", False),
        (b"To: al@x.test\n\n\xc3\xbc\n", "8BITMIME", False),
        (b"To: al@x.test\nSubject: \xc3\xbc\n\nx\n", "8BITMIME", True),
        (b"To: al@x.test\nSubject: \xfc\n\nx\n", "8BITMIME", False),
        ("To: jürgen@x.test\n\nx\n".encode(), "8BITMIME", True),
    ],
)
def test_the_envelope_says_what_the_letter_needs(text: bytes, body: str, utf8: bool) -> None:
    letter = prepared(text)
    assert letter.envelope.body == body
    assert letter.envelope.smtputf8 is utf8


@given(st.binary(max_size=300))
def test_any_octets_are_a_letter_or_a_reason(octets: bytes) -> None:
    try:
        letter = prepared(octets, recipients=("al@x.test",))
    except SendmailError:
        return
    assert letter.section.endswith(b"\r\n")
    assert letter.envelope.recipients
