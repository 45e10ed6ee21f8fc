"""Which language serves whom."""

from __future__ import annotations

import pytest

from mailstack.protocols.pop3.server import DEFAULT, LANGUAGES, choose_language


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en-GB", "en"),
        ("en-a-bbb-x-ccc", "en"),
        ("i-default", "i-default"),
        ("I-DEFAULT-x", "i-default"),
        ("*", DEFAULT),
        ("de", None),
        ("de-en", None),
        ("i", None),
    ],
)
def test_a_range_is_looked_up_from_its_front(wanted: str, tag: str | None) -> None:
    """POP-25: RFC 4647 section 3.4."""
    assert choose_language(wanted) == tag


def test_there_is_the_language_that_must_be_there() -> None:
    """POP-25"""
    assert "i-default" in LANGUAGES
