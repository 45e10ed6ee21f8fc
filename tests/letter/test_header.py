"""Header sections and fields: reading, and writing in linear time."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import compose, header
from mailstack.letter.compose import base64_of, disposition, file_part, multipart, text_part
from mailstack.letter.header import folded, mailbox_field, parameter, text_field
from mailstack.letter.parsed import parse

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"Subject: x", b"BCC: a@b", b" folded", b"\tfolded: too", b"", b"junk", b"Received : old", b"From a@b Mon"]
        ),
        st.binary(max_size=12),
    ),
    max_size=12,
).map(b"\r\n".join)
OCTETS = st.one_of(LINES, LINES.map(lambda lines: lines + b"\r\n"), st.binary(max_size=200))


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        pytest.param(b"", 0, id="empty letter"),
        pytest.param(b"\r\nbody\r\n", 2, id="empty header section"),
        pytest.param(b"Subject: x\r\n\r\nbody\r\n", 14, id="header and body"),
        pytest.param(b"Subject: x\r\n", 12, id="no empty line: all is header"),
        pytest.param(b"Subject: x", 10, id="no line end"),
        pytest.param(b"Dear Bob,\r\n\r\nhello\r\n", 0, id="no header at all"),
        pytest.param(b" folded\r\nSubject: x\r\n\r\n", 0, id="begins with a continuation line"),
        pytest.param(b"From a@b Mon Nov 23\r\nSubject: x\r\n\r\nbody", 35, id="a line of a mailbox file above it"),
        pytest.param(b"Subject: x\r\njunk\r\nTo: y\r\n\r\n", 27, id="a stray line within"),
        pytest.param(b"Subject: x\n\nbody\r\n", 18, id="only CRLF ends a line"),
    ],
)
def test_the_body_begins_behind_the_first_empty_line(octets, offset):
    """SMTP-31: whatever is missing, there is one answer."""
    assert header.split(octets) == offset


def test_a_field_comes_with_its_continuation_lines():
    section = b"To: a,\r\n\tb\r\nSubject : x\r\n y\r\nstray line\r\n\r\n"
    assert list(header.fields(section)) == [
        (b"to", b"To: a,\r\n\tb\r\n"),
        (b"subject", b"Subject : x\r\n y\r\n"),
        (b"", b"stray line\r\n"),
        (b"", b"\r\n"),
    ]


def test_names_are_compared_without_case_and_only_whole_ones():
    section = (
        b"Received: a\r\nRECEIVED: b\r\nX-Received: c\r\nReceived-SPF: d\r\n Received: e\r\nreceived \t: f\r\n\r\n"
    )
    assert header.count(section, b"received") == 3
    assert header.has(section, b"Received-SPF")
    assert not header.has(section, b"Receive")


def test_a_removed_field_takes_its_continuation_lines_and_nothing_else():
    """SUBM-06."""
    section = b"To: a\r\nBcc: b,\r\n c,\r\n\td\r\nX-Bcc: e\r\nbcc : f\r\nSubject: g\r\n\r\n"
    assert header.strip_fields(section, (b"bcc",)) == b"To: a\r\nX-Bcc: e\r\nSubject: g\r\n\r\n"


def test_a_section_without_the_field_is_the_same_object():
    section = b"To: a\r\n\r\n"
    assert header.strip_fields(section, (b"bcc", b"return-path")) is section


@given(OCTETS)
def test_fields_joined_are_the_section(octets):
    assert b"".join(field for _, field in header.fields(octets)) == octets


@given(OCTETS)
def test_the_body_is_never_before_the_start_nor_behind_the_end(octets):
    offset = header.split(octets)
    assert 0 <= offset <= len(octets)
    assert b"\r\n\r\n" not in octets[: max(0, offset - 1)]


@given(OCTETS, st.sampled_from([b"subject", b"bcc", b"received", b"folded"]))
def test_counting_and_cutting_agree_with_the_fields(octets, name):
    named = [field for found, field in header.fields(octets) if found == name]
    assert header.count(octets, name) == len(named)
    rest = header.strip_fields(octets, (name,))
    assert rest == b"".join(field for found, field in header.fields(octets) if found != name)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)


def parsed(octets: bytes) -> EmailMessage:
    """Parse with the standard library, as an independent reader."""
    return message_from_bytes(octets, policy=default)  # type: ignore[return-value]


def lines_of(work: Callable[[], object]) -> int:
    """Lines of Python that `work` runs through."""
    count = 0

    def step(*_: Any) -> Any:
        nonlocal count
        count += 1
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@given(text=TEXTS)
def test_a_text_is_read_as_it_was_given(text: str) -> None:
    field = text_field("Subject", text)
    assert all(len(line) <= 998 for line in field.split(b"\r\n"))
    assert parse(field + b"\r\n").subject == " ".join(text.replace("\0", "\ufffd").split())
    assert field.isascii()


@given(text=TEXTS)
def test_a_text_is_one_field_whatever_it_holds(text: str) -> None:
    lines = text_field("X-Any", text).split(b"\r\n")
    assert lines[0].startswith(b"X-Any:")
    assert all(line.startswith(b" ") for line in lines[1:-1])
    assert lines[-1] == b""


@given(text=TEXTS)
def test_lines_with_encoded_words_have_76_characters_at_most(text: str) -> None:
    """RFC 2047 §2"""
    field = text_field("X-Rather-Long-Name", text).split(b"\r\n")
    assert all(len(line) <= 76 for line in field if b"=?utf-8?" in line)


@given(name=NAMES)
def test_a_name_is_read_as_it_was_given(name: str) -> None:
    octets = mailbox_field("To", [(name, "bob@home.test"), ("", "carol@home.test")]) + b"\r\n"
    first, second = parse(octets).to
    assert (first.address, second.address) == ("bob@home.test", "carol@home.test")
    assert first.name == " ".join(name.split())


@pytest.mark.parametrize("name", ["Bob", "Bob B.", 'B "x" \\ ,;<>', "Grüße", "=?utf-8?q?no?=", "日本語" * 4, "x" * 255])
def test_a_name_is_read_by_others(name: str) -> None:
    to = parsed(mailbox_field("To", [(name, "bob@home.test")]) + b"\r\n")["To"]
    assert [(each.display_name, each.addr_spec) for each in to.addresses] == [(name, "bob@home.test")]


@pytest.mark.parametrize("name", ["a.txt", "Grüße.txt", "x" * 255, "日" * 85, 'a"b;c', "it's 100%*.txt"])
def test_a_file_name_is_read_by_others(name: str) -> None:
    """RFC 2231 §3"""
    field = disposition("attachment", name)
    assert all(len(line) <= 78 for line in field.split(b"\r\n"))
    assert parsed(field + b"\r\n").get_filename() == name
    assert parse(b"Content-Type: text/plain\r\n" + field + b"\r\nx").tree.name == name


@given(text=st.text(st.characters(codec="utf-8"), max_size=300))
@pytest.mark.parametrize("at_once", [8, 65_536])
def test_a_text_part_holds_its_text(at_once: int, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "AT_ONCE", at_once)
        part = text_part("plain", text)
    whole = b"".join(part.octets)
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    assert parse(whole).text == (lines if lines.endswith("\n") else f"{lines}\n").replace("\0", "\ufffd")
    assert max(map(len, whole.split(b"\r\n"))) <= 998
    assert b"\n" not in whole.replace(b"\r\n", b"")
    assert whole.isascii()


@given(octets=st.binary(max_size=300), blanks=st.sampled_from(["", "\n", " "]))
def test_base64_is_read_in_pieces_as_at_once(octets: bytes, blanks: str) -> None:
    digits = blanks.join(base64.b64encode(octets).decode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "AT_ONCE", 8)
        assert b"".join(base64_of(digits)) == octets


@given(digits=st.text("AQ=*", max_size=40))
def test_what_is_no_base64_is_refused_in_pieces_as_at_once(digits: str) -> None:
    def outcome(work: Callable[[], bytes]) -> bytes | None:
        try:
            return work()
        except ValueError:
            return None

    def at_once() -> bytes:
        octets = base64.b64decode(digits, validate=True)
        if digits.count("=") != base64.b64encode(octets).count(b"="):
            raise ValueError("excess padding, which Python 3.11 accepts")
        return octets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "AT_ONCE", 8)
        found = outcome(lambda: b"".join(base64_of(digits)))
    assert found == outcome(at_once)


def test_a_multipart_has_all_its_parts() -> None:
    file = file_part("image", "png", [b"\0\1", b"\2"], disposition("attachment", "a.png"))
    whole = parsed(b"".join(multipart("mixed", [text_part("plain", "x"), file]).octets))
    first, second = whole.iter_parts()  # type: ignore[attr-defined]
    assert first.get_content() == "x\r\n"
    assert (second.get_filename(), second.get_content()) == ("a.png", b"\0\1\2")


@pytest.mark.parametrize(
    "write",
    [
        lambda n: text_field("Subject", "a " * n),
        lambda n: text_field("Subject", "é " * n),
        lambda n: text_field("Subject", "a" * n),
        lambda n: text_field("Subject", "é" * n),
        lambda n: text_field("Subject", "a é " * n),
        lambda n: mailbox_field("To", [("Ä B", "bob@home.test")] * n),
        lambda n: mailbox_field("To", [("é " * n, "bob@home.test")]),
        lambda n: parameter("filename", "é " * n),
        lambda n: folded("X", ["a"] * n),
        lambda n: text_part("plain", "é\n" * n),
        lambda n: list(base64_of("QUJD" * n)),
    ],
)
def test_twice_as_much_takes_twice_as_many_steps(write: Callable[[int], object]) -> None:
    once, twice = lines_of(lambda: write(4000)), lines_of(lambda: write(8000))
    assert twice < 2.2 * once + 100


SECTION = b"From: a\r\n\tb\r\nTo : c\r\nstray\r\nfrom:d\r\n: e\r\n\r\n"


def test_fields_are_selected_by_name_or_without_names() -> None:
    """IMAP-85."""
    assert header.select_fields(SECTION, {b"from"}) == b"From: a\r\n\tb\r\nfrom:d\r\n"
    assert header.select_fields(SECTION, {b"from", b"stray"}, others=True) == b"To : c\r\nstray\r\n: e\r\n"
    assert header.select_fields(SECTION, {b"cc"}) == b""
    assert header.fields_of(SECTION, b"to") == [b"To : c"]
    assert header.fields_of(SECTION, b"stray") == header.fields_of(SECTION, b"cc") == []
    assert header.first_bodies(SECTION, {b"from", b"to", b"stray"}, 4) == {b"from": b"", b"to": b""}
    assert header.first_bodies(SECTION, {b"from", b"cc"}, 99) == {b"from": b"a\tb"}
