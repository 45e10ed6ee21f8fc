"""Sections of BODY[…] and BINARY[…]: ranges of the message's octets (IMAP-80, IMAP-82, IMAP-85, IMAP-87)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.letter.mime.parts import header_end
from mailstack.letter.mime.structure import Kind, structure_of
from mailstack.protocols.imap.fetch_items import BinarySection, BodySection
from mailstack.protocols.imap.sections import (
    OctetRange,
    UnknownEncoding,
    binary_range,
    binary_size,
    body_range,
    body_section,
    label,
    missing_section,
    needs_structure,
    section_start,
    whole_message,
)
from tests.aid import examples
from tests.parsers.mutation import octets_like
from tests.protocols.imap.messages import NESTED, TREE
from tests.protocols.imap.response_values import values

HEADER = TREE[: TREE.index(b"\r\n\r\n") + 4]
INNER_HEADER = NESTED[: NESTED.index(b"\r\n\r\n") + 4]


def fetched(item: BodySection, message: bytes = TREE) -> bytes | None:
    written = body_section(item, structure_of(message)[0], message)
    assert written.startswith(label(item) + b" ")
    (value,) = values(written.removeprefix(label(item) + b" "))
    return value


@pytest.mark.parametrize(
    ("item", "octets"),
    [
        (BodySection(), TREE),
        (BodySection(text="HEADER"), HEADER),
        (BodySection(text="TEXT"), TREE[len(HEADER) :]),
        (BodySection((1,)), b"gr=C3=BCn\r\n\r\n"[:-1] + b"\n"),
        (
            BodySection((1,), "MIME"),
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        ),
        (BodySection((2,)), NESTED),
        (BodySection((2,), "MIME"), b"Content-Type: message/rfc822\r\n\r\n"),
        (BodySection((2,), "HEADER"), INNER_HEADER),
        (BodySection((2,), "TEXT"), NESTED[len(INNER_HEADER) :]),
        (BodySection((2, 1)), b"Hello\r\n"),
        (BodySection((2, 2), "MIME"), b"Content-Type: text/html\r\n\r\n"),
        (BodySection((2, 2)), b"<p>Hello</p>"),
        (BodySection((3, 1)), b"Subject: digested\r\n\r\nm1"),
        (BodySection((3, 1), "MIME"), b"\r\n"),
        (BodySection((3, 1), "HEADER"), b"Subject: digested\r\n\r\n"),
        (BodySection((3, 1, 1)), b"m1"),
        (BodySection((1,), "TEXT"), b""),
        (BodySection((3,), "HEADER"), b""),
        *[
            (BodySection(numbers, text), None)
            for numbers, text in [
                ((4,), ""), ((0,), ""), ((1, 1), ""), ((3, 1, 2), ""), ((2, 1, 1), ""),
            ]
        ],
    ],
)  # fmt: skip
def test_a_section_is_its_octets(item: BodySection, octets: bytes | None) -> None:
    """IMAP-80: RFC 3501 §6.4.5; NIL for a part that is missing."""
    assert fetched(item) == octets


def test_a_message_without_parts_has_its_body_as_part_1() -> None:
    """IMAP-80."""
    message = b"Subject: x\r\n\r\nbody"
    assert fetched(BodySection((1,)), message) == b"body"
    assert fetched(BodySection((1,), "MIME"), message) == b"Subject: x\r\n\r\n"
    assert fetched(BodySection((1, 1)), message) is None
    assert fetched(BodySection((2,)), message) is None
    empty = b"Content-Type: multipart/mixed\r\n\r\nbody"
    assert fetched(BodySection((1,)), empty) == b"body"
    assert fetched(BodySection((1, 1)), empty) is None
    nested = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + empty
    assert fetched(BodySection((1, 1)), nested) == b"body"
    assert fetched(BodySection((1, 1, 1)), nested) is None


@pytest.mark.parametrize(
    ("names", "text", "octets"),
    [
        (("DATE", "from"), "HEADER.FIELDS", b"From: a\r\n\tb\r\nDate: c\r\nfrom : d\r\n\r\n"),
        (("x",), "HEADER.FIELDS", b"\r\n"),
        (("from", "Date"), "HEADER.FIELDS.NOT", b"stray\r\nTo: e\r\n\r\n"),
    ],
)
def test_fields_stand_whole_in_the_order_of_the_message(names: tuple[str, ...], text: str, octets: bytes) -> None:
    """IMAP-85: with an empty line at the end, also when none matches."""
    section = b"From: a\r\n\tb\r\nDate: c\r\nstray\r\nTo: e\r\nfrom : d"
    assert fetched(BodySection((), text, names), section + b"\r\n\r\nbody") == octets
    assert fetched(BodySection((), text, names), section) == octets
    assert fetched(BodySection((), text, names, partial=(2, 5)), section) == octets[2:7]


@pytest.mark.parametrize(
    ("partial", "octets"),
    [((0, 3), b"Hel"), ((3, 100), b"lo\r\n"), ((7, 1), b""), ((4_000_000_000, 4_000_000_000), b""), ((2, 0), b"")],
)
def test_a_partial_is_cut_at_the_end(partial: tuple[int, int], octets: bytes) -> None:
    """IMAP-82."""
    item = BodySection((2, 1), partial=partial)
    assert fetched(item) == octets
    assert label(item) == b"BODY[2.1]<%d>" % partial[0]


@pytest.mark.parametrize(
    ("item", "written"),
    [
        (BodySection(), b"BODY[]"),
        (BodySection(label="RFC822"), b"RFC822"),
        (BodySection((1, 2), "MIME"), b"BODY[1.2.MIME]"),
        (BodySection((), "HEADER.FIELDS", ("Date", "a b", "x]")), b'BODY[HEADER.FIELDS (Date "a b" "x]")]'),
        (BinarySection((1,), (5, 9)), b"BINARY[1]<5>"),
        (BinarySection((1,), size_only=True), b"BINARY.SIZE[1]"),
    ],
)
def test_the_name_of_a_section_is_repeated(item: BodySection | BinarySection, written: bytes) -> None:
    """IMAP-80, IMAP-82, IMAP-85."""
    assert label(item) == written


def test_binary_is_decoded_by_the_encoding_of_the_part() -> None:
    """IMAP-87: RFC 3516 §4.2."""
    root, _ = structure_of(TREE)
    of_note = binary_range(BinarySection((3, 2)), root)
    assert of_note is not None
    assert (TREE[of_note.octets.start : of_note.octets.end], of_note.encoding) == (b"YQBi", "base64")
    for numbers, octets in (((), TREE), ((2,), NESTED)):
        found = binary_range(BinarySection(numbers), root)
        assert found is not None
        assert (TREE[found.octets.start : found.octets.end], found.encoding) == (octets, "")
    assert binary_range(BinarySection((9,)), root) is None
    assert section_start(BinarySection((3, 2)), 3, has_nul=True) == b"BINARY[3.2] ~{3}\r\n"
    assert binary_size(BinarySection((3, 2), size_only=True), 3) == b"BINARY.SIZE[3.2] 3"
    assert missing_section(BinarySection((9,))) == b"BINARY[9] NIL"
    assert missing_section(BinarySection((9,), size_only=True)) == b"BINARY.SIZE[9] 0"


def test_binary_of_an_unknown_encoding_is_refused() -> None:
    """IMAP-87: NO [UNKNOWN-CTE]."""
    root, _ = structure_of(b"Content-Transfer-Encoding: x-uue\r\n\r\nx")
    with pytest.raises(UnknownEncoding):
        binary_range(BinarySection((1,)), root)
    assert binary_range(BinarySection(()), root) is not None


def test_sections_of_the_message_need_its_header_section_only() -> None:
    """IMAP-82, IMAP-90."""
    message = whole_message(header_end(TREE), len(TREE))
    for item in (BodySection(), BodySection(text="HEADER"), BodySection(text="TEXT")):
        assert not needs_structure(item)
        assert body_range(item, message) == body_range(item, structure_of(TREE)[0])
    assert needs_structure(BodySection((1,)))


@settings(max_examples=examples(200))
@given(octets_like((TREE, NESTED)), st.tuples(st.integers(0, 900), st.integers(1, 900)))
def test_sections_of_any_octets_make_up_the_message(message: bytes, partial: tuple[int, int]) -> None:
    """IMAP-81: HEADER and TEXT are BODY[], and a part's octets lie in those of its multipart."""
    message = message.replace(b"\0", b"")  # which a literal can't hold
    root, _ = structure_of(message)
    header, text = fetched(BodySection(text="HEADER"), message), fetched(BodySection(text="TEXT"), message)
    assert header is not None
    assert text is not None
    assert header + text == fetched(BodySection(), message) == message
    assert fetched(BodySection(partial=partial), message) == message[partial[0] : partial[0] + partial[1]]
    if root.kind is Kind.MULTIPART:
        at = root.start
        for number in range(1, len(root.parts) + 1):
            mime, body = body_range(BodySection((number,), "MIME"), root), body_range(BodySection((number,)), root)
            assert mime is not None
            assert body is not None
            assert at <= mime.start <= mime.end == body.start <= body.end <= root.end
            at = body.end
    every = fetched(BodySection((), "HEADER.FIELDS.NOT", ("x-none",)), message)
    assert every is not None
    assert every.removesuffix(b"\r\n") in header + b"\r\n"


def test_windows_of_a_range() -> None:
    assert OctetRange(5, 9).window(None) == OctetRange(5, 9)
    assert OctetRange(5, 9).window((1, 2)) == OctetRange(6, 8)
