"""Canonical forms: the examples of RFC 6376 §3.4.5, in any pieces."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.policy.authentication.canonical import (
    BodyForm,
    BodyHash,
    SignedFields,
    canonical_field,
    remove_signature,
)

BODY = b" C \r\nD \t E\r\n\r\n\r\n"


def digest(form: BodyForm, *pieces: bytes) -> bytes:
    body = BodyHash(form)
    for piece in pieces:
        body.update(piece)
    return body.finish().digest


@pytest.mark.parametrize(
    ("relaxed", "body", "canonical"),
    [
        (True, BODY, b" C\r\nD E\r\n"),
        (False, BODY, b" C \r\nD \t E\r\n"),
        (True, b"", b""),
        (False, b"", b"\r\n"),
        (True, b"\r\n\r\n", b""),
        (False, b"\r\n\r\n", b"\r\n"),
        (True, b" \t\r\n\t\r\n", b""),
        (False, b" \r\n", b" \r\n"),
        (True, b"a", b"a\r\n"),
        (False, b"a", b"a\r\n"),
        (True, b"a\rb\nc \r\n", b"a\rb\nc\r\n"),
        (False, b"a\r", b"a\r\r\n"),
    ],
)
def test_bodies(relaxed: bool, body: bytes, canonical: bytes) -> None:
    """DKIM-01: RFC 6376 §3.4.3, §3.4.4."""
    assert digest(BodyForm(relaxed), body) == hashlib.sha256(canonical).digest()


def test_fields() -> None:
    """DKIM-01: RFC 6376 §3.4.1, §3.4.2."""
    assert canonical_field(b"A: X\r\n", relaxed=True) == b"a:X\r\n"
    assert canonical_field(b"B : Y\t\r\n\tZ  \r\n", relaxed=True) == b"b:Y Z\r\n"
    assert canonical_field(b"B : Y\t\r\n\tZ  \r\n", relaxed=False) == b"B : Y\t\r\n\tZ  \r\n"
    assert remove_signature(b"S: a=b; b =\r\n abc=; bh=d\r\n") == b"S: a=b; b =; bh=d"


def test_of_several_fields_the_last_is_chosen_first() -> None:
    """DKIM-01: RFC 6376 §5.4.2."""
    chosen = SignedFields([(b"a", b"A: 1\r\n"), (b"b", b"B: 2\r\n"), (b"a", b"A: 3\r\n")])
    assert chosen.octets(["a", "c", "a", "a", "b"], relaxed=True) == b"a:3\r\na:1\r\nb:2\r\n"


PIECES = st.lists(
    st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"a", b"bc"]) | st.binary(max_size=5), max_size=20
)


@given(PIECES, st.booleans(), st.none() | st.integers(0, 12))
def test_the_cut_makes_no_difference(pieces: list[bytes], relaxed: bool, length: int | None) -> None:
    form = BodyForm(relaxed, length)
    body = b"".join(pieces)
    assert digest(form, *pieces) == digest(form, body) == digest(form, *[body[i : i + 1] for i in range(len(body))])


def test_what_is_kept_between_pieces_is_small() -> None:
    body = BodyHash(BodyForm(relaxed=True))
    for _ in range(100):
        body.update(b" \t" * 5000)
        body.update(b"\r\n" * 5000)
    assert len(body._blanks) < 4
    assert body.finish().digest == hashlib.sha256().digest()
