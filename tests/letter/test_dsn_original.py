"""What of a letter comes back, whatever is in it."""

import email

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.dsn import Returned, is_returnable
from mailstack.letter.header import split

HEADER = "Subject: Grüße\r\n".encode()


def types(returned, **how):
    part = email.message_from_bytes(b"".join(returned.part(**how).octets))
    return part.get_content_type(), part["Content-Transfer-Encoding"]


@pytest.mark.parametrize(
    ("returned", "eight_bit", "international", "expected"),
    [
        (Returned(b"A: 1\r\n"), False, False, ("text/rfc822-headers", None)),
        (Returned(HEADER), True, False, ("text/rfc822-headers", "quoted-printable")),
        (Returned(HEADER), False, True, ("message/global-headers", "quoted-printable")),
        (Returned(HEADER), True, True, ("message/global-headers", "8bit")),
        (Returned(b"A: \xff\r\n"), True, True, ("text/rfc822-headers", "8bit")),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\nx"), False, False, ("message/rfc822", None)),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\n\xff"), True, False, ("message/rfc822", "8bit")),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\n\xff"), False, False, ("text/rfc822-headers", None)),
        (Returned(HEADER, HEADER + b"\r\nx"), True, True, ("message/global", "8bit")),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\n\0"), True, True, ("text/rfc822-headers", None)),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\na\nb"), True, True, ("text/rfc822-headers", None)),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\n" + b"x" * 999), True, True, ("text/rfc822-headers", None)),
    ],
)
def test_the_form(returned, eight_bit, international, expected):
    """DSN-03, UTF8-05."""
    assert types(returned, eight_bit=eight_bit, international=international) == expected


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_letter_can_be_returned(octets, eight_bit, international):
    """DSN-03: lines that may travel, and no octet above 127 where none may stand."""
    for returned in (Returned(octets), Returned(octets[: split(octets)], octets)):
        part = b"".join(returned.part(eight_bit=eight_bit, international=international).octets)
        assert eight_bit or part.isascii()
        assert b"\0" not in part
        assert part.count(b"\r\n") == part.count(b"\n") == part.count(b"\r")
    assert not is_returnable(octets, eight_bit=False) or octets.isascii()
