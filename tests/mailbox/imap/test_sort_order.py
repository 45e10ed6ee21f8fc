"""SORT and base subjects (IMAP-105)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.letter.mime.structure import structure_of
from mailstack.mailbox.imap.base_subject import base_subject
from mailstack.mailbox.imap.sort_order import needs_fields, sent_time, sort_order, sort_values
from mailstack.protocols.imap.search_keys import SortKey
from tests.aid import examples

NAMES = ("ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "SIZE", "SUBJECT", "TO")


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        (b"", "", False),
        (b"a  b\t c ", "a b c", False),
        (b"Re: hello", "hello", True),
        (b"re[2]: hello", "hello", True),
        (b"RE : [x] hello", "hello", True),
        (b"[foo] Fwd: [bar] Re: fw: b (fWd)  (fwd)", "b", True),
        (b"[x] hello", "hello", False),
        (b"[xyz]", "[xyz]", False),
        (b"[a][b] ", "[b]", False),
        (b"Re: [FWD: c]", "c", True),
        (b"[fwd: Re: d (fwd)]", "d", True),
        (b"b (a)", "b (a)", False),
        (b"Re:", "", True),
        (b"(fwd)", "", True),
        (b"Reply: no mark", "Reply: no mark", False),
        (b"=?utf-8?q?Re=3A_=C3=A4?=", "\u00e4", True),
    ],
)
def test_marks_of_replies_and_forwards_are_removed(subject: bytes, base: str, is_reply: bool) -> None:
    """IMAP-105: RFC 5256 §2.1."""
    assert base_subject(subject) == (base, is_reply)


@pytest.mark.parametrize(
    "subject", [b"[a]" * 30_000, b"re:" * 30_000, b"[fwd:" * 20_000 + b"]" * 20_000, b"(fwd)" * 9000]
)
def test_a_hostile_subject_costs_little(subject: bytes) -> None:
    """IMAP-130."""
    assert len(base_subject(subject).text) <= 1000


def order(written: str, messages: list[bytes], sizes: list[int] | None = None) -> list[int]:
    keys = tuple(SortKey(name.removeprefix("-"), name.startswith("-")) for name in written.split())
    fields = [structure_of(message)[0].described.bodies for message in messages]
    sizes = sizes or [len(message) for message in messages]
    values = [
        sort_values(keys, each, at=1000.0 + position, size=size)
        for position, (each, size) in enumerate(zip(fields, sizes, strict=True))
    ]
    return [position + 1 for position in sort_order(keys, values)]


SUBJECTS = [
    *(b"a", b"C", b"b", b"_", b"[foo] Fwd: [bar] Re: fw: b (fWd)  (fwd)", b"b (a)", b"Re: [FWD: c]", b"[xyz]"),
]


def test_subjects_are_in_the_order_of_their_base() -> None:
    """IMAP-105: letters before brackets, without regard to case; equal ones by number, whatever is reversed."""
    messages = [b"Subject: " + subject + b"\r\n\r\n" for subject in SUBJECTS] + [b"\r\n"]
    sizes = [1, 1, 1, 1, 2, 2, 2, 2, 1]
    assert order("SUBJECT", messages, sizes) == [9, 1, 3, 5, 6, 2, 7, 8, 4]
    assert order("-SUBJECT", messages, sizes) == [4, 8, 2, 7, 6, 3, 5, 1, 9]
    assert order("SUBJECT -SIZE", messages, sizes) == [9, 1, 5, 3, 6, 7, 2, 8, 4]
    assert order("-ARRIVAL", messages) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_addresses_are_in_the_order_of_the_first_one() -> None:
    """IMAP-105: FROM by local part, DISPLAYFROM by display name (RFC 5957 §3), a group by its name."""
    messages = [
        b"From: zed@a.test\r\n\r\n",
        b"From: Bob <yes@a.test>, aa@a.test\r\n\r\n",
        b"From: =?utf-8?q?=61nn?= <xenia@a.test>\r\n\r\n",
        b"From: Group: b@c.test;\r\n\r\n",
        b"\r\n",
    ]
    assert order("FROM", messages) == [5, 4, 3, 2, 1]
    assert order("DISPLAYFROM", messages) == [5, 3, 2, 4, 1]
    assert order("CC", messages) == order("DISPLAYTO", messages) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("date", "sent"),
    [
        (b"Thu, 1 Jan 1970 01:00:00 +0100", 0),
        (b"1 Jan 1970 00:00:05", 5),
        (b"Thu, 1 Jan 1970 25:61:00 +0000", 0),
        (b"yesterday", 77),
        (b"31 Feb 2026 00:00:00 +0000", 77),
        (b"1 Jan 99999 00:00:00 +0000", 77),
        (b"1 Jan 2026 00:00:00 +99999999999999999999", 1767225600),
    ],
)
def test_the_date_is_normalized_to_utc_or_else_the_internal_one(date: bytes, sent: float) -> None:
    """IMAP-105: RFC 5256 §2.2."""
    assert sent_time({b"date": date}, 77) == sent
    assert sent_time({}, 77) == 77


def test_columns_need_no_header_section() -> None:
    assert not needs_fields((SortKey("ARRIVAL"), SortKey("SIZE", is_reverse=True)))
    assert needs_fields((SortKey("ARRIVAL"), SortKey("DATE")))


fields = st.dictionaries(st.sampled_from([b"from", b"to", b"cc", b"subject", b"date"]), st.binary(max_size=30))


@settings(max_examples=examples(100))
@given(st.lists(fields, max_size=8), st.lists(st.builds(SortKey, st.sampled_from(NAMES), st.booleans()), min_size=1))
def test_any_order_is_a_permutation_in_which_values_ascend(messages: list[dict], keys: list[SortKey]) -> None:
    """IMAP-105, IMAP-130."""
    values = [sort_values(keys, each, at=at % 3, size=at % 2) for at, each in enumerate(messages)]
    found = sort_order(keys, values)
    assert sorted(found) == list(range(len(messages)))
    first = [values[position][0] for position in found]
    assert first == sorted(first, reverse=keys[0].is_reverse)
