"""Mailbox names: both encodings, INBOX, and names that are refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.imap.mailbox_names import (
    MAX_OCTETS,
    canonical,
    decode_utf7,
    encode_name,
    encode_utf7,
    parse_name,
)

TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("&-+/,a~é日🐟\0")), max_size=40)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("INBOX", b"INBOX"),
        ("", b""),
        ("&", b"&-"),
        ("a&b-c", b"a&-b-c"),
        ("&-", b"&--"),
        ("日本語", b"&ZeVnLIqe-"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("é&è", b"&AOk-&-&AOg-"),
        ("🐟", b"&2D3cHw-"),
        ("a\0b\x7f", b"a&AAA-b&AH8-"),
    ],
)
def test_modified_utf7(text: str, encoded: bytes) -> None:
    """IMAP-12: RFC 3501 §5.1.3."""
    assert encode_utf7(text) == encoded
    assert decode_utf7(encoded) == text


@given(TEXTS)
def test_text_survives_modified_utf7(text: str) -> None:
    """IMAP-12, IMAP-130"""
    encoded = encode_utf7(text)
    assert encoded.isascii()
    assert all(32 <= octet < 127 for octet in encoded)
    assert decode_utf7(encoded) == text


@given(st.one_of(st.binary(max_size=30), st.text(st.sampled_from("&-,+/AQaz0é"), max_size=16).map(str.encode)))
def test_no_text_has_two_encodings(octets: bytes) -> None:
    """IMAP-12, IMAP-130"""
    try:
        text = decode_utf7(octets)
    except ValueError:
        return
    assert encode_utf7(text) == octets


@pytest.mark.parametrize(
    "encoded",
    [
        b"&", b"a&", b"&AOk", b"&&-", b"&AGE-", b"&AOk-&AOk-", b"&A-", b"&AO-", b"&AOl-", b"&AOk=-", b"&AO/-", b"&2D0-",
        b"&3B8-", b"&ACY-", b"\xc3\xa9", b"a\0", b"\r\n", b"&AO k-", b"&+AOk-",
    ],
)  # fmt: skip
def test_invalid_modified_utf7(encoded: bytes) -> None:
    """IMAP-12"""
    with pytest.raises(ValueError, match="not in modified UTF-7"):
        decode_utf7(encoded)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inbox", "INBOX"), ("InBoX/x", "INBOX/x"), ("inbox/inbox", "INBOX/inbox"), ("inboxes", "inboxes"),
        ("x/inbox", "x/inbox"), ("Inbox.x", "Inbox.x"), ("\u0131nbox", "\u0131nbox"), ("", ""),
    ],
)  # fmt: skip
def test_inbox_has_any_case(name: str, expected: str) -> None:
    """IMAP-11"""
    assert canonical(name) == expected
    if name:
        assert parse_name(encode_utf7(name)) == expected
        assert parse_name(name.encode(), utf8=True) == expected
        assert parse_name(encode_utf7(name), is_new=True) == expected


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "empty"), (b"/", "empty"), (b"/a", "empty"), (b"a/", "empty"), (b"a//b", "empty"), (b"&AAo-", "control"),
        (b"&AH8-", "control"), (b"a&AIU-b", "control"), (b"&ICg-", "control"), (b"\xc3\xa9", "UTF-7"),
        (b"a" * (MAX_OCTETS + 1), "too long"), (b"/".join([b"a"] * 33), "levels"), (b"&AOk-" * 2, "UTF-7"),
    ],
)  # fmt: skip
def test_names_that_are_refused(octets: bytes, reason: str) -> None:
    """IMAP-12, IMAP-13"""
    with pytest.raises(ValueError, match=reason):
        parse_name(octets)


@pytest.mark.parametrize("octets", [b"a%", b"*", b"a//", b"/", b"", b"//"])
def test_new_names_that_are_refused(octets: bytes) -> None:
    """IMAP-13"""
    with pytest.raises(ValueError, match=r"empty|no %"):
        parse_name(octets, is_new=True)


def test_a_new_name_loses_its_last_separator() -> None:
    """IMAP-13, IMAP-45"""
    assert parse_name(b"a/b/", is_new=True) == "a/b"
    assert parse_name(b"a%/b*") == "a%/b*"


def test_names_in_utf8() -> None:
    """IMAP-12: `&` is itself, and names are in NFC."""
    assert parse_name("a&b/é".encode(), utf8=True) == "a&b/é"
    assert parse_name(unicodedata.normalize("NFD", "é").encode(), utf8=True) == "é"
    assert parse_name(encode_utf7(unicodedata.normalize("NFD", "é"))) == "é"
    for octets in (b"\xe9", b"\xed\xa0\x80", b"a\x00", b"\xc2\x85"):
        with pytest.raises(ValueError, match=r"UTF-8|control"):
            parse_name(octets, utf8=True)
    assert encode_name("&é", utf8=True) == "&é".encode()
    assert encode_name("&é") == b"&-&AOk-"


def test_patterns_and_references_may_be_empty_or_end_in_a_separator() -> None:
    """IMAP-41"""
    for octets in (b"", b"a/", b"/", b"%", b"*", b"a//b"):
        assert parse_name(octets, is_pattern=True) == octets.decode()
    assert parse_name(b"&AOk-%", is_pattern=True) == "é%"


@given(st.binary(max_size=60), st.booleans(), st.booleans(), st.booleans())
def test_any_octets_are_a_good_name_or_a_valueerror(octets: bytes, utf8: bool, is_pattern: bool, is_new: bool) -> None:
    """IMAP-12, IMAP-13, IMAP-130"""
    try:
        name = parse_name(octets, utf8=utf8, is_pattern=is_pattern, is_new=is_new)
    except ValueError:
        return
    assert name.isprintable() or not any(unicodedata.category(each) == "Cc" for each in name)
    assert unicodedata.is_normalized("NFC", name)
    if not is_pattern:
        assert all(name.split("/"))
        assert parse_name(encode_utf7(name)) == parse_name(name.encode(), utf8=True) == name
