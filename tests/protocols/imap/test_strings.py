"""Strings in responses: quoted where clients take it, else literals (IMAP-10)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.imap.responses import nstring, string
from tests.protocols.imap.response_values import values


@pytest.mark.parametrize(
    ("octets", "written"),
    [
        (b"", b'""'),
        (b"a b", b'"a b"'),
        (b'say "\\"', b'"say \\"\\\\\\""'),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"a\0b", b'"a?b"'),
        (b"\xc3\xa4", b"{2}\r\n\xc3\xa4"),
        (b"x" * 1000, b'"%b"' % (b"x" * 1000)),
        (b"x" * 1001, b"{1001}\r\n%b" % (b"x" * 1001)),
    ],
)
def test_a_string_is_quoted_unless_clients_could_not_take_it(octets: bytes, written: bytes) -> None:
    """IMAP-10."""
    assert string(octets) == written


def test_valid_utf_8_is_quoted_for_clients_that_take_it() -> None:
    """IMAP-10: after ENABLE UTF8=ACCEPT."""
    assert string(b"\xc3\xa4", utf8=True) == b'"\xc3\xa4"'
    assert string(b"\xe4", utf8=True) == b"{1}\r\n\xe4"
    assert string(b"\xc3\xa4\n", utf8=True) == b"{3}\r\n\xc3\xa4\n"


def test_no_string_is_nil() -> None:
    assert nstring(None) == b"NIL"
    assert nstring(b"NIL") == b'"NIL"'


@given(st.binary(max_size=1100))
def test_any_octets_are_read_as_they_were(octets: bytes) -> None:
    """IMAP-10: but for NUL, which IMAP can't hold."""
    assert values(string(octets)) == [octets.replace(b"\0", b"?")]
