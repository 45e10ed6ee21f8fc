"""Addresses in From fields of any form (RFC 5322 §3.4, §4.4, appendix A)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.address_lists import MAX_AUTHORS_SIZE, Authors, addresses_in, authors_in, read_address_list

READ = [
    (b" alice@home.test\r\n", ["alice@home.test"]),
    (b" Alice <alice@home.test>\r\n", ["alice@home.test"]),
    (b' "Smith, Alice" <alice@home.test>, bob@home.test', ["alice@home.test", "bob@home.test"]),
    (b' "<eve@evil.test>" <alice@home.test>', ["alice@home.test"]),
    (b" =?utf-8?q?Al=C3=ADce?= <alice@home.test>", ["alice@home.test"]),
    (b" alice@home.test (eve@evil.test (inner))", ["alice@home.test"]),
    (b" (a \\) comment) Alice\r\n\t<alice@home.test>", ["alice@home.test"]),
    (b" (it's \"quoted) Alice <alice@home.test>", ["alice@home.test"]),
    (b" Alice <alice@home.test (at home)>", ["alice@home.test"]),
    (b" Friends: alice@home.test, Bob <bob@home.test>;", ["alice@home.test", "bob@home.test"]),
    (b' <"odd >name"@home.test>', ['"odd >name"@home.test']),
    (b" , alice@home.test,,", ["alice@home.test"]),
    ("Кот <кот@пример.test>".encode(), ["кот@пример.test"]),
    (b"", []),
    (b" undisclosed:;", []),
    (b" <@a.test,@b.test:alice@home.test>", ["alice@home.test"]),
    (b" John Q. Public <john@home.test>", ["john@home.test"]),
    (b" alice@home.test <alice@home.test>", ["alice@home.test"]),
    (b" Shop :-) <alice@home.test>", ["alice@home.test"]),
    (b" HOME\\alice <alice@home.test>", ["alice@home.test"]),
    (b" Alice <alice@home.test> via list", ["alice@home.test"]),
    (b" Alice \xe9 <alice@home.test>", ["alice@home.test"]),
]
"""Fields of real senders, with obsolete syntax, and their addresses."""

UNREAD = [
    b" Alice", b" alice@home.test bob@home.test", b" <alice@home.test> <eve@evil.test>",
    b" <alice@home.test> eve@evil.test", b" (open", b' "open', b" x)", b"\xd0@home.test", b" CEO <ceo@pr.test> (x",
    b' "CEO <ceo@pr.test>', b" CEO <ceo@pr.test>, bob", b" CEO <ceo@pr.test", b" <ceo@pr.test <eve@evil.test>",
    b" ceo@pr.test: eve@evil.test;", b" ceo@pr.test:;, eve@evil.test", b" <ceo@pr.test>: eve@evil.test",
    b" \\<ceo@pr.test\\> <eve@evil.test>", b" <@pr.test:>, eve@evil.test", b" CEO <>", b" ceo@pr.test> <eve@evil.test>",
    b" CEO\0 <eve@evil.test>", b" ceo @ pr.test", b" ceo@pr.test\0, eve@evil.test",
]  # fmt: skip
"""Fields that are ambiguous between parsers, or without an address."""


def authors(body: bytes) -> Authors:
    return authors_in([(b"from", b"From:" + body), (b"to", b"To: " + b"a" * 9000)])


@pytest.mark.parametrize(("body", "found"), READ)
def test_addresses_are_found(body: bytes, found: list[str]) -> None:
    addresses = addresses_in(body)
    assert addresses is not None
    assert [str(address) for address in addresses] == found
    assert [str(address) for address in authors(body).addresses] == found
    assert authors(body).trouble == ("" if found else "From names no author")


@pytest.mark.parametrize("body", UNREAD)
def test_what_can_be_read_in_two_ways_is_not_read(body: bytes) -> None:
    assert addresses_in(body) is None
    assert authors(body).trouble == "From can't be read"


def test_words_before_a_comma_are_part_of_an_authors_name() -> None:
    """In a list of recipients each word before a comma is a separate item."""
    named = b" Smith, John, Jr. <john@home.test>, bob@home.test"
    assert [str(each) for each in authors(named).addresses] == ["john@home.test", "bob@home.test"]
    assert not authors(named).trouble
    assert [each.name for each in read_address_list(named, names_have_commas=True).mailboxes] == [
        b"Smith, John, Jr.",
        b"",
    ]
    assert addresses_in(named) is None
    assert addresses_in(b"bob, Alice <alice@home.test>", "home.test") is not None
    assert authors(b" bob, alice").trouble == "From can't be read"


@pytest.mark.parametrize("local", ["a..b", ".a", "a.", "reply+" + "x" * 80])
def test_local_parts_that_no_envelope_may_have_are_authors_all_the_same(local: str) -> None:
    """Such addresses exist, also long ones made by programs; only the domain is checked."""
    found = authors(f" A <{local}@home.test>".encode())
    assert not found.trouble
    assert [(each.local, each.domain) for each in found.addresses] == [(local, "home.test")]
    assert addresses_in(f"{local}@home.test".encode()) is None


@pytest.mark.parametrize(
    ("fields", "trouble"),
    [
        ([], "no From field"),
        ([b"a@home.test", b"a@home.test"], "2 From fields"),
        ([b" "], "From names no author"),
        ([b"a@home.test"], ""),
    ],
)
def test_a_letter_has_one_from_field(fields: list[bytes], trouble: str) -> None:
    """RFC 5322 §3.6: exactly one."""
    assert authors_in([(b"from", b"From: " + body) for body in fields]).trouble == trouble


@given(st.binary(max_size=300) | st.text(alphabet='<>"\\(),;: @a.', max_size=60).map(str.encode))
def test_any_octets_are_read_or_refused(body: bytes) -> None:
    for address in addresses_in(body) or ():
        assert address.local
    assert len(read_address_list(body, 2, names_have_commas=True).mailboxes) <= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        b'\\"' * 32_000, b'<\\"' * 21_000, b'<"' * 32_000, b"<a" * 32_000, b'"a"<' * 16_000, b"\\" * 65_000,
        b"(" * 65_000, b"()" * 32_000, b'("' * 32_000, b'"(' * 32_000, b"(\\)" * 21_000, b"<a>:" + b":" * 65_000,
        b"a," * 32_000, b"@x:" * 21_000, b"(a)<(b)" * 9_000, b" a" * 32_000, b"a@b,", b'"" ' * 21_000, b'"a"@' * 16_000,
    ],
)  # fmt: skip
def test_a_field_costs_no_more_than_its_octets(body: bytes) -> None:
    """One such From held the server up for ten seconds, before anything was known of its sender."""
    began = time.process_time()
    addresses_in(body)
    read_address_list(body, names_have_commas=True)
    assert time.process_time() - began < 1.0


def test_of_many_large_from_fields_only_the_first_octets_are_read() -> None:
    """A header section has room for thirty of them, and each kilobyte can be made to take a millisecond."""
    large = (b"from", b"From: " + b"bob@home.test," * ((MAX_AUTHORS_SIZE - 6) // 14))
    found = authors_in([large] * 40)
    assert len(found.addresses) == (MAX_AUTHORS_SIZE - 6) // 14
    assert (found.fields, found.is_whole) == (40, False)
    assert authors_in([(b"from", b"From: a@b.test" + b" " * MAX_AUTHORS_SIZE)]).trouble == "From can't be read"
    began = time.process_time()
    authors_in([(b"from", b"From:" + b" a" * (MAX_AUTHORS_SIZE // 2 - 4))] * 32)
    assert time.process_time() - began < 0.1


PIECES = [
    b"a",
    b"b.c",
    b"@",
    b"d.test",
    b" ",
    b"\t",
    b"<",
    b">",
    b",",
    b'"',
    b'"x,  y"',
    b"Joe",
    b"<j@k>",
    b"a@b",
    b"\\",
    b";",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join), st.booleans(), st.integers(1, 3))
def test_simple_lists_are_read_like_others(body: bytes, names_have_commas: bool, max_mailboxes: int) -> None:
    """A comment, which has no meaning in front of all, is never in a simple list."""
    plain = read_address_list(body, max_mailboxes, names_have_commas=names_have_commas)
    commented = read_address_list(b"()" + body, max_mailboxes, names_have_commas=names_have_commas)
    assert plain == commented
