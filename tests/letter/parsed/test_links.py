"""Links and codes in a text: the fast search finds what a plain search finds."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.parsed import links

PLAIN = re.compile(r"(?<![\w.+-])(?:https?://|mailto:)", re.IGNORECASE)
PIECES = (
    "http", "https", "mailto", "HTTP", "Mailto", ":", "//", "http://", "HttpS://", "mailto:", "a", "a@b.test", ".", "+", "-", "_", " ", "\n",
    "(", ")", "<", ">", "é", "\u017f", "http\u017f://a", "ma\u0131lto:abc", "x" * 4000, "://a",
)  # fmt: skip


def written_plainly(text: str) -> Iterator[str]:
    """Addresses in a text by a search for each whole scheme; "" for an incomplete one."""
    at = 0
    while begins := PLAIN.search(text, at):
        match = links._IN_TEXT.match(text, begins.start())
        yield match[0] if match else ""
        at = match.end() if match else begins.end()


@pytest.mark.parametrize("at_once", [1, 8, 65_536])
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40))
def test_links_found_by_their_colon_are_those_found_by_their_scheme(at_once: int, pieces: list[str]) -> None:
    text = "".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(links, "_AT_ONCE", at_once)
        assert list(links._written(text)) == list(written_plainly(text))


@given(pieces=st.lists(st.sampled_from((*PIECES, "www.", "WWW.a", "@", ": ", "code 123456")), max_size=40))
def test_links_are_masked_before_codes_are_searched(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert links._masked(text) == links._LINK.sub(lambda each: "@" * len(each[0]), text)
