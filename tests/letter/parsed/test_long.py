"""Long letters are read in short steps: while one is under way, no other thread of the server runs."""

from __future__ import annotations

import base64
import binascii
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import transfer_encoding as transfer
from mailstack.letter.parsed import html, links, parse
from mailstack.letter.parsed.html import words
from tests.processor_time import slowness

HELD = 0.02
"""Seconds of the processor."""
MIB = 1_048_576
LINE = b"the quick brown fox jumps over the lazy dog\r\n"
PICTURE = base64.encodebytes(bytes(range(256)) * 1024).replace(b"\n", b"\r\n")


def of_type(kind: str, body: bytes, encoding: str = "8bit") -> bytes:
    return f"Subject: x\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body


def within(part: bytes) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n" + part + b"\r\n--B--\r\n"


LETTERS: dict[str, Callable[[], bytes]] = {
    "lines": lambda: of_type("text/plain", LINE * (16 * MIB // len(LINE))),
    "line ends": lambda: b"Subject: x\n\n" + b"\n" * 8 * MIB,
    "high": lambda: of_type("text/plain", b"\xff" * 2 * MIB),
    "blanks": lambda: of_type("text/plain", b" " * 2 * MIB),
    "base64": lambda: within(of_type("image/png", PICTURE * (16 * MIB // len(PICTURE)), "base64")),
    "quoted": lambda: within(of_type("image/png", b"=41" * (4 * MIB), "quoted-printable")),
    "like boundaries": lambda: within(of_type("text/plain", (b"\r\n--B" + b"x" * 123) * (16 * MIB // 128))),
    "HTML of text": lambda: of_type("text/html", b"x" * 2 * MIB),
    "HTML of brackets": lambda: of_type("text/html", b"<" * 2 * MIB),
    "HTML of references": lambda: of_type("text/html", b"&" * 2 * MIB),
    "HTML of a comment": lambda: of_type("text/html", b"<!--" + b"-" * 2 * MIB),
    "HTML of a style": lambda: of_type("text/html", b"<p style='" + b"display:" * (MIB // 4) + b"'>x"),
}
"""Makes of letters: together 70 MiB, so each is made by its test."""


def longest_step(work: Callable[[], object]) -> float:
    """Seconds of this thread between two lines or calls of Python: where another thread could have run."""
    last, longest = time.thread_time(), 0.0

    def step(*_: Any) -> Any:
        nonlocal last, longest
        longest = max(longest, time.thread_time() - last)
        last = time.thread_time()
        return step

    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(step)
    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return longest


def best_longest_step(work: Callable[[], object]) -> float:
    """As `longest_step`, the best of five unless it is short before: the first pays for memory that the system finds."""
    best = longest_step(work)
    for _ in range(4):
        if best < HELD:
            break
        best = min(best, longest_step(work) / slowness())
    return best


def whole(letter: bytes) -> None:
    reading = parse(letter)
    assert reading.subject in {"x", ""}
    assert (reading.snippet, reading.links, reading.codes) is not None
    for part in reading.tree.walk():
        reading.content_of(part)


@pytest.mark.slow
@pytest.mark.parametrize("name", LETTERS)
def test_no_step_takes_long(name: str) -> None:
    letter = LETTERS[name]()
    assert best_longest_step(lambda: whole(letter)) < HELD


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that each place in which something is cut comes up."""
    monkeypatch.setattr(transfer, "AT_ONCE", 8)
    monkeypatch.setattr(links, "_AT_ONCE", 8)


@pytest.mark.usefixtures("small_pieces")
@given(octets=st.binary(max_size=200), blanks=st.sampled_from([b"", b"\r\n", b" - "]))
def test_what_was_encoded_is_decoded_in_pieces_as_at_once(octets: bytes, blanks: bytes) -> None:
    quoted = binascii.b2a_qp(octets)
    assert transfer.decoded(quoted, "quoted-printable") == binascii.a2b_qp(quoted)
    assert transfer.decoded_size(quoted, "quoted-printable") == len(binascii.a2b_qp(quoted))
    digits = blanks.join(binascii.b2a_base64(octets[at : at + 57]) for at in range(0, len(octets), 57))
    for cut in range(4):
        said = b"x" + digits[: len(digits) - cut] + b"x"
        found = transfer.decoded(said, "base64", 1, len(said) - 1)
        assert octets.startswith(found)
        assert len(octets) - len(found) <= cut
        assert transfer.decoded_size(said, "base64", 1, len(said) - 1) == len(found)
    assert transfer.decoded(octets, "8bit") == octets


@pytest.mark.usefixtures("small_pieces")
def test_links_are_found_wherever_the_text_is_cut() -> None:
    for blanks in range(30):
        text = " " * blanks + "http://a.test/x xhttp://no.test mailto:b@c.test."
        assert [each.url for each in links.links_of(text, "", 10)] == ["http://a.test/x", "mailto:b@c.test"]


def test_references_and_blanks_are_whole_wherever_the_html_is_cut() -> None:
    for filled in range(html._AT_ONCE - 12, html._AT_ONCE + 4):
        assert words("x" * filled + "&amp;&CounterClockwiseContourIntegral; y") == "x" * filled + "&\u2233 y"
        assert words("x" * filled + " " * 40 + "y") == "x" * filled + " y"


def test_tags_with_more_attributes_than_are_read_at_once_are_whole() -> None:
    many = "<p " + "a=1 b='>' " * html._AT_ONCE + " title=last>told"
    ((tag, attributes),) = html.elements(many)
    assert (tag, attributes["title"]) == ("p", "last")
    assert words(many) == "told"
    assert words("<p " + "a=1 " * html._AT_ONCE * 2) == ""


@given(
    pieces=st.lists(
        st.sampled_from(
            ("a", "b c", "-", " ", "\u00a0", "\n", "&amp;", "<p>", "</p>", "<br>", "<li>", "<td>", "<pre>", "</pre>", "<b>",
             "<i hidden>", "</i>", "<img alt='x  y'>", "<style>p</style>", "<!-- c -->", "  d\n e ")
        ),
        max_size=30,
    ),
    length=st.integers(0, 40),
    hidden=st.booleans(),
)  # fmt: skip
def test_the_first_words_are_those_of_the_whole_html(pieces: list[str], length: int, hidden: bool) -> None:
    text = "".join(pieces)
    first = words(text, hidden=hidden, max_characters=length)
    assert first[:length] == words(text, hidden=hidden)[:length]
