"""Text of HTML for searches."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.parsed.html_text import searched_words


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>words <b>ar</b>e <SPAN class='x'>par</SPAN>ted</p>", "words are parted"),
        ("<td>a</td><td>b</td>c<br>d", "a b c d"),
        ("gr&uuml;n &amp;&nbsp;&#8364; &lt;b&gt;", "gr\u00fcn & \u20ac <b>"),
        ("<abbreviated>x</abbreviated>", "x"),
        ("a < b <!-- c --> d", "a < b d"),
        ("", ""),
    ],
)
def test_words_are_whole_without_tags(html: str, text: str) -> None:
    """IMAP-101."""
    assert searched_words(html) == text


@pytest.mark.parametrize(
    "html", ["<" * 200_000, "<b" * 100_000, "<b>" * 100_000, "&#" + "9" * 60_000, "&amp;" * 50_000]
)
def test_hostile_html_takes_some_milliseconds(html: str) -> None:
    """IMAP-130."""
    began = time.process_time()
    searched_words(html)
    assert time.process_time() - began < 1


@given(st.text(alphabet="<>b/&#;9x !-", max_size=60))
def test_any_text_has_words_with_single_blanks(html: str) -> None:
    text = searched_words(html)
    assert text == " ".join(text.split())
