"""The octets of a letter decide on its BODY, whatever was declared; a host gets only lines that it accepts."""

from __future__ import annotations

import email
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from mailstack.letter import Address, Content, Envelope
from mailstack.letter.letter import Octets, read_all
from mailstack.protocols.smtp.outgoing import downgrade_body, form_of
from mailstack.protocols.smtp.replies import Refusal
from tests.aid import run
from tests.protocols.cuts import cut_at

HEAD = b"From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
SMUGGLED = b"first\r\n\0.\r\nMAIL FROM:<eve@evil.test>\r\n"
ALL = ("8BITMIME", "CHUNKING", "BINARYMIME")


class Pieces(Struct, frozen=True):
    """A content that is read in these pieces."""

    pieces: tuple[bytes, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def envelope(body: str) -> Envelope:
    return Envelope(Address.parse("a@b.test"), (), body)


def fitted(body: str, content: Content, *offered: str) -> tuple[str, bytes]:
    to_send, octets = run(downgrade_body(envelope(body), content, offered))
    return to_send.body, run(read_all(octets))


@pytest.mark.parametrize("declared", ["7BIT", "8BITMIME"])
@pytest.mark.parametrize("text", [SMUGGLED, b"a\r.\r\n", b"a\n.\r\nb\r\n", b"end\r"])
@pytest.mark.parametrize("offered", [(), ("8BITMIME",), ("CHUNKING",), ("8BITMIME", "BINARYMIME")])
def test_what_is_no_text_goes_out_encoded(declared: str, text: bytes, offered: tuple[str, ...]) -> None:
    """SMUG-04, 8BIT-02: a NUL or a bare CR or LF never goes by DATA."""
    body, octets = fitted(declared, Octets(HEAD + text), *offered)
    assert body == ("8BITMIME" if "8BITMIME" in offered else "7BIT")
    assert octets.isascii()
    assert b"\0" not in octets
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert email.message_from_bytes(octets).get_payload(decode=True) == text


def test_what_is_no_text_goes_by_bdat_where_the_host_takes_it() -> None:
    assert fitted("7BIT", Octets(HEAD + SMUGGLED), *ALL) == ("BINARYMIME", HEAD + SMUGGLED)


@pytest.mark.parametrize("header", [b"Subject: a\0b\r\n\r\n", b"Content-Type: multipart/mixed; boundary=x\0\r\n\r\n"])
@pytest.mark.parametrize("offered", [(), ("8BITMIME",)])
def test_a_header_with_a_nul_comes_back(header: bytes, offered: tuple[str, ...]) -> None:
    with pytest.raises(Refusal, match=r"554 5\.6\.3"):
        fitted("7BIT", Octets(header + b"text\r\n"), *offered)


@pytest.mark.parametrize("declared", ["7BIT", "8BITMIME"])
def test_octets_above_127_count_whatever_was_declared(declared: str) -> None:
    """8BIT-02"""
    text = "grüne Wiese\r\n".encode()
    assert fitted(declared, Octets(HEAD + text), "8BITMIME") == ("8BITMIME", HEAD + text)
    body, octets = fitted(declared, Octets(HEAD + text))
    assert (body, octets.isascii()) == ("7BIT", True)
    assert email.message_from_bytes(octets).get_payload(decode=True) == text


@pytest.mark.parametrize("offered", [(), ("8BITMIME",), ALL])
def test_lines_of_ascii_go_as_they_are(offered: tuple[str, ...]) -> None:
    content = Octets(HEAD + b"plain\r\n.\r\n")
    for declared in ("7BIT", "8BITMIME"):
        to_send, octets = run(downgrade_body(envelope(declared), content, offered))
        assert octets is content
        assert to_send.body == (declared if offered else "7BIT")


octets = st.lists(st.sampled_from([b"a", b"\r\n", b"\r", b"\n", b"\0", b"\xe5", b"."]), max_size=10).map(b"".join)


@given(octets, st.lists(st.integers(0, 12), max_size=4))
def test_the_form_does_not_depend_on_how_a_content_is_read(text: bytes, cuts: list[int]) -> None:
    form = run(form_of("7BIT", Pieces(tuple(cut_at(text, cuts)))))
    assert form == run(form_of("7BIT", Octets(text)))
    unpaired = text.replace(b"\r\n", b"")
    is_binary = any(octet in unpaired for octet in (b"\r", b"\n", b"\0"))
    assert form == ("BINARYMIME" if is_binary else "7BIT" if text.isascii() else "8BITMIME")
