"""MIME fields of foreign letters."""

from __future__ import annotations

import pytest

from mailstack.letter.mime.fields import describe, value_and_parameters


@pytest.mark.parametrize(
    ("written", "boundary"),
    [
        (b"boundary=abc", b"abc"),
        (b"BOUNDARY = abc (a comment)", b"abc"),
        (b'boundary="a b"', b"a b"),
        (b'boundary="a\\"b"', b'a"b'),
        (b'boundary="abc', b"abc"),
        (b'charset="; boundary=no"; boundary=abc; boundary=second', b"abc"),
        (b"x=y", b""),
        (b"boundary*0=ab; boundary*1=c", b""),
    ],
)
def test_the_boundary_is_read(written: bytes, boundary: bytes) -> None:
    described = describe(b"Content-Type: Multipart/Mixed;\r\n " + written + b"\r\n")
    assert (described.type, described.boundary) == ("multipart/mixed", boundary)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"Text/Plain (comment); charset=utf-8", ("text/plain", {"charset": "utf-8"})),
        (b"attachment; filename=my file.pdf", ("attachment", {"filename": "my file.pdf"})),
        (b"attachment; filename==?utf-8?q?=C3=A4?=", ("attachment", {"filename": "ä"})),
        (b"attachment; filename=a; filename*=utf-8''%C3%A4", ("attachment", {"filename": "ä"})),
        (b"attachment; filename*1=b; filename*0*=latin-1''%E4", ("attachment", {"filename": "äb"})),
    ],
)
def test_parameters_are_decoded(body: bytes, expected: tuple[str, dict[str, str]]) -> None:
    assert value_and_parameters(body) == expected
