"""Patterns of LIST: matches as a regular expression has them, and bounded time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.imap.list_patterns import MAX_PATTERN, ListPattern


@pytest.mark.parametrize(
    ("reference", "pattern", "matching", "others"),
    [
        ("", "*", ["a", "a/b", "INBOX", "INBOX/x"], []),
        ("", "%", ["a", "INBOX"], ["a/b", "INBOX/x"]),
        ("", "a", ["a"], ["A", "ab", "a/b"]),
        ("", "a%", ["a", "ab"], ["a/", "b"]),
        ("a/", "%", ["a/b"], ["a", "a/b/c", "b/c"]),
        ("", "%/b", ["a/b", "INBOX/b"], ["b", "a/a/b"]),
        ("", "*b", ["b", "a/b", "bb"], ["a", "INBOX"]),
        ("", "%%", ["a"], ["a/b"]),
        ("", "%*%", ["a", "a/b"], []),
        ("", "a%c%d", ["acd", "abcbd"], ["a/cd", "ac/d", "abc"]),
        ("", "inbox", ["INBOX"], ["INBOX/x"]),
        ("", "iNb%", ["INBOX"], ["INBOX/x", "inb"]),
        ("in", "BOX/*", ["INBOX/x", "INBOX/x/y"], ["INBOX"]),
        ("", "INBOX/X", ["INBOX/X"], ["INBOX/x"]),
        ("", "*X", ["INBOX", "INBOX/X"], ["INBOX/x"]),
        ("", "日%", ["日本語"], ["本"]),
        ("", "", [""], ["a"]),
        ("/", "a", [], ["a"]),
    ],
)
def test_patterns(reference: str, pattern: str, matching: list[str], others: list[str]) -> None:
    """IMAP-41, IMAP-11"""
    compiled = ListPattern(reference, pattern)
    assert [name for name in matching + others if compiled.matches(name)] == matching


def as_regex(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "%": "[^/]*"}
    return re.compile("".join([parts.get(each, re.escape(each)) for each in pattern]), re.DOTALL)


@given(st.text("ab/%*é", max_size=12), st.text("ab/é", max_size=14))
def test_patterns_match_as_regular_expressions(pattern: str, name: str) -> None:
    """IMAP-41, IMAP-130"""
    assert ListPattern("", pattern).matches(name) == bool(as_regex(pattern).fullmatch(name))
    assert ListPattern(pattern[:5], pattern[5:]).matches(name) == ListPattern("", pattern).matches(name)


def test_a_pattern_with_many_wildcards_takes_a_step_for_each_character() -> None:
    """Backtracking would take longer than this test runs."""
    for wildcard in "*%":
        assert not ListPattern("", f"{wildcard}a" * 500).matches("a" * 1000 + "b")
        assert ListPattern("", f"{wildcard}a" * 500).matches("a" * 1000)


def test_the_length_of_a_pattern_is_limited() -> None:
    with pytest.raises(ValueError, match="too long"):
        ListPattern("a", "b" * MAX_PATTERN)
