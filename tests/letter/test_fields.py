"""Header fields and MIME parts of a new letter: readable by others, and written in linear time."""

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

from mailstack.letter import compose
from mailstack.letter.compose import base64_of, disposition, file_part, multipart, text_part
from mailstack.letter.header import folded, mailbox_field, parameter, text_field
from mailstack.letter.parsed import parse

TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)


def parsed(octets: bytes) -> EmailMessage:
    """By Python's parser, which is none of ours."""
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
