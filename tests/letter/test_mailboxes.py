"""Addresses out of From fields, however they are written (RFC 5322 §3.4, appendix A)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.mailboxes import AUTHORS, addresses_in, authors_in


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b" alice@home.test\r\n", ["alice@home.test"]),
        (b" Alice <alice@home.test>\r\n", ["alice@home.test"]),
        (b' "Smith, Alice" <alice@home.test>, bob@home.test', ["alice@home.test", "bob@home.test"]),
        (b' "<eve@evil.test>" <alice@home.test>', ["alice@home.test"]),
        (b" =?utf-8?q?Al=C3=ADce?= <alice@home.test>", ["alice@home.test"]),
        (b" alice@home.test (eve@evil.test (inner))", ["alice@home.test"]),
        (b" (a \\) comment) Alice\r\n\t<alice@home.test>", ["alice@home.test"]),
        (b" Friends: alice@home.test, Bob <bob@home.test>;", ["alice@home.test", "bob@home.test"]),
        (b' <"odd >name"@home.test>', ['"odd >name"@home.test']),
        (b" , alice@home.test,,", ["alice@home.test"]),
        ("Кот <кот@пример.test>".encode(), ["кот@пример.test"]),
        (b"", []),
        (b" undisclosed:;", []),
    ],
)
def test_addresses_are_found(body: bytes, found: list[str]) -> None:
    addresses = addresses_in(body)
    assert addresses is not None
    assert [str(address) for address in addresses] == found


@pytest.mark.parametrize(
    "body",
    [
        b" Alice",
        b" alice@home.test bob@home.test",
        b" <alice@home.test> <eve@evil.test>",
        b" (open",
        b' "open',
        b" x)",
        b"\xd0@home.test",
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(body: bytes) -> None:
    assert addresses_in(body) is None


@given(st.binary(max_size=300) | st.text(alphabet='<>"\\(),;: @a.', max_size=60).map(str.encode))
def test_any_octets_are_read_or_refused(body: bytes) -> None:
    for address in addresses_in(body) or ():
        assert address.local


@pytest.mark.parametrize(
    "body", [b'\\"' * 32_000, b'<\\"' * 21_000, b'<"' * 32_000, b"<a" * 32_000, b'"a"<' * 16_000, b"\\" * 65_000]
)
def test_a_field_costs_no_more_than_its_octets(body: bytes) -> None:
    """One such From held the office up for ten seconds, before anything was known of its sender."""
    began = time.process_time()
    addresses_in(body)
    assert time.process_time() - began < 1.0


def test_of_many_large_from_fields_only_the_first_octets_are_read() -> None:
    """A header section has room for thirty of them, and each kilobyte can be made to take a millisecond."""
    section = [(b"from", b"From: alice@home.test\r\n"), (b"to", b"To: " + b" a" * 9000)]
    assert [len(each or ()) for each in authors_in(section)] == [1]
    large = (b"from", b"From: " + b"bob@home.test," * (AUTHORS // 14))
    named = authors_in([large] * 40)
    assert [each is None for each in named] == [False] + [True] * 39
    began = time.process_time()
    authors_in([(b"from", b"From:" + b" a" * (AUTHORS // 2 - 4))] * 32)
    assert time.process_time() - began < 0.1
