"""UTF8 and LANG of POP3 (RFC 6856)."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.protocols.pop3.commands import Lang, Pop3Rejected, Utf8
from mailstack.protocols.pop3.server import DEFAULT, LANGUAGES, choose_language
from tests.protocols.pop3.test_server import events, greeted, in_transaction


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        ("en", "en"), ("EN", "en"), ("en-GB", "en"), ("en-a-bbb-x-ccc", "en"), ("i-default", "i-default"),
        ("I-DEFAULT-x", "i-default"), ("*", DEFAULT), ("de", None), ("de-en", None), ("i", None),
    ],
)  # fmt: skip
def test_a_range_is_looked_up_from_its_front(wanted: str, tag: str | None) -> None:
    """POP-25: RFC 4647 section 3.4."""
    assert choose_language(wanted) == tag


def test_there_is_the_language_that_must_be_there() -> None:
    """POP-25"""
    assert "i-default" in LANGUAGES


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"utf8", Utf8()),
        (b"LANG", Lang()),
        (b"lang *", Lang("*")),
        (b"LANG en-GB ", Lang("en-GB")),
        (b"LANG i-default", Lang("i-default")),
    ],
)
def test_utf_8_and_languages(line: bytes, event: Any) -> None:
    """POP-25"""
    assert events(greeted(), line + b"\r\n") == [event]


def test_utf8_is_said_before_login() -> None:
    """POP-25"""
    assert events(in_transaction(), b"UTF8\r\nLANG\r\n") == [Pop3Rejected("UTF8 is not allowed after login"), Lang()]


@pytest.mark.parametrize(
    "line", [b"UTF8 x", b"LANG e n", b"LANG -en", b"LANG \xc3\xbc", b"LANG **", b"LANG " + b"a" * 9]
)
def test_what_is_no_language_is_rejected(line: bytes) -> None:
    """POP-25"""
    [event] = events(greeted(), line + b"\r\n")
    assert isinstance(event, Pop3Rejected)
