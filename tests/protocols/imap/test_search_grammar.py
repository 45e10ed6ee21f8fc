"""Grammar of SEARCH, SORT and THREAD: keys, their limits and return options."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap import search_keys as k
from mailstack.protocols.imap.search_grammar import MONTHS
from mailstack.protocols.imap.sequence_set import SequenceSet, format_ranges
from tests.protocols.imap.engines import command, selected

DAY = dt.date(1994, 2, 1)
ANY_ONE = SequenceSet(((1, 0),))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (b"all", k.And()),
        (b"NEW", k.And((k.RecentKey(), k.FlagKey("\\Seen", present=False)))),
        (b"OLD", k.RecentKey(present=False)),
        (b"UNDELETED", k.FlagKey("\\Deleted", present=False)),
        (b"keyword $Junk", k.FlagKey("$Junk")),
        (b"UNKEYWORD x", k.FlagKey("x", present=False)),
        (b"FROM bob", k.HeaderKey("from", "bob")),
        (b'HEADER X-Spam ""', k.HeaderKey("x-spam", "")),
        (b"SUBJECT {4+}\r\n\xc3\xa4\r\n", k.HeaderKey("subject", "ä\r\n")),
        ('BODY "ä"'.encode(), k.TextKey("ä", with_header=False)),
        (b"TEXT x", k.TextKey("x", with_header=True)),
        (b"SINCE 1-Feb-1994", k.DateKey("internal", "since", DAY)),
        (b'SENTON "01-FEB-1994"', k.DateKey("sent", "on", DAY)),
        (b"SAVEDBEFORE 1-feb-1994", k.DateKey("saved", "before", DAY)),
        (b"SAVEDATESUPPORTED", k.SaveDateKey()),
        (b"OLDER 5", k.AgeKey(5, is_older=True)),
        (b"LARGER 0", k.SizeKey(0, is_larger=True)),
        (b"SMALLER 9223372036854775807", k.SizeKey(2**63 - 1, is_larger=False)),
        (b"1:*", k.NumberKey(ANY_ONE)),
        (b"UID 1:*", k.NumberKey(ANY_ONE, by_uid=True)),
        (b"$", k.NumberKey(SequenceSet((), is_saved=True))),
        (b"MODSEQ 620162338", k.ModseqKey(620162338)),
        (b'MODSEQ "/flags/\\\\draft" all 5', k.ModseqKey(5)),
        (b"EMAILID M1", k.IdKey("emailid", "M1")),
        (b"THREADID T1", k.IdKey("threadid", "T1")),
        (b"NOT SEEN", k.Not(k.FlagKey("\\Seen"))),
        (b"OR SEEN (DRAFT ALL)", k.Or(k.FlagKey("\\Seen"), k.And((k.FlagKey("\\Draft"), k.And())))),
        (b"((SEEN))", k.FlagKey("\\Seen")),
        (b"SEEN 2 (ALL)", k.And((k.FlagKey("\\Seen"), k.NumberKey(SequenceSet(((2, 2),))), k.And()))),
    ],
)
def test_search_keys(keys: bytes, expected: k.SearchKey) -> None:
    """IMAP-100, IMAP-102"""
    assert command(selected(), b"SEARCH " + keys) == c.Search("a", expected)
    assert command(selected(), b"UID SEARCH CHARSET utf-8 " + keys) == c.Search("a", expected, True, "utf-8")
    assert command(selected(), b"UID THREAD references US-ASCII " + keys) == c.Thread(
        "a", "REFERENCES", expected, "US-ASCII", by_uid=True
    )


@pytest.mark.parametrize(
    "keys",
    [
        b"", b"FROB", b"()", b"(ALL", b"ALL)", b"NOT", b"OR ALL", b"OR (ALL ALL)", b"FROM", b"HEADER x",
        b"SINCE 31-Feb-1994", b"SINCE 1-Foo-1994", b'SINCE "1-Feb-1994', b"SINCE 1-Feb-94", b"ON 1-Feb-0000", b"OLDER 0",
        b"LARGER -1", b"LARGER x", b"UID x", b"0", b"1:", b"MODSEQ", b'MODSEQ "x" FROB 1', b"KEYWORD \\Seen",
        b"BODY {1+}\r\n\xff", b"CHARSET UTF-8", b"SMALLER 9223372036854775808", b"1 CHARSET UTF-8 ALL",
    ],
)  # fmt: skip
def test_malformed_search_keys_are_bad(keys: bytes) -> None:
    """IMAP-02, IMAP-100"""
    event = command(selected(), b"SEARCH " + keys)
    assert isinstance(event, c.ImapRejected)
    assert (event.tag, event.status) == ("a", "BAD")


@pytest.mark.parametrize("nested", [b"(%b)", b"NOT %b", b"OR ALL %b", b"(ALL %b)"])
def test_nesting_is_limited(nested: bytes) -> None:
    """IMAP-09"""
    for depth, is_permitted in ((99, True), (102, False), (1000, False)):
        keys = b"SEEN"
        for _ in range(depth):
            keys = nested.replace(b"%b", keys)
        event = command(selected(), b"SEARCH " + keys)
        assert isinstance(event, c.Search) == is_permitted, depth


def test_the_number_of_keys_is_limited() -> None:
    """IMAP-107"""
    assert isinstance(command(selected(), b"SEARCH " + b" ".join([b"ALL"] * 1000)), c.Search)
    event = command(selected(), b"SEARCH " + b" ".join([b"ALL"] * 1001))
    assert isinstance(event, c.ImapRejected)
    assert event.text == "the search has too many keys"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"()", k.SearchReturn(("ALL",))),
        (b"(min MAX count ALL)", k.SearchReturn(("MIN", "MAX", "COUNT", "ALL"))),
        (b"(SAVE)", k.SearchReturn(("SAVE",))),
        (b"(PARTIAL 1:500)", k.SearchReturn((), (1, 500))),
        (b"(COUNT PARTIAL -1:-100)", k.SearchReturn(("COUNT",), (-1, -100))),
    ],
)
def test_return_options(options: bytes, expected: k.SearchReturn) -> None:
    """IMAP-104"""
    event = command(selected(), b"SEARCH RETURN " + options + b" CHARSET UTF-8 ALL")
    assert event == c.Search("a", k.And(), False, "UTF-8", expected)
    event = command(selected(), b"UID SORT return " + options + b" (DATE) UTF-8 ALL")
    assert event == c.Sort("a", (k.SortKey("DATE"),), k.And(), "UTF-8", True, expected)


@pytest.mark.parametrize(
    "options",
    [b"(FROB)", b"(ALL PARTIAL 1:2)", b"(PARTIAL)", b"(PARTIAL 1:-2)", b"(PARTIAL 0:1)", b"(PARTIAL 1:4294967296)",
     b"(PARTIAL 1:2 PARTIAL 1:2)", b"(MIN", b"MIN", b"( MIN)"],
)  # fmt: skip
def test_malformed_return_options_are_bad(options: bytes) -> None:
    """IMAP-104"""
    assert isinstance(command(selected(), b"SEARCH RETURN " + options + b" ALL"), c.ImapRejected)


def test_sort_criteria() -> None:
    """IMAP-105"""
    event = command(selected(), b"SORT (subject REVERSE DATE DISPLAYFROM) UTF-8 SEEN")
    order = (k.SortKey("SUBJECT"), k.SortKey("DATE", is_reverse=True), k.SortKey("DISPLAYFROM"))
    assert event == c.Sort("a", order, k.FlagKey("\\Seen"), "UTF-8")


@pytest.mark.parametrize(
    "arguments",
    [b"", b"() UTF-8 ALL", b"(FROB) UTF-8 ALL", b"(REVERSE) UTF-8 ALL", b"(REVERSE REVERSE DATE) UTF-8 ALL", b"(DATE) ALL",
     b"(DATE) UTF-8", b"DATE UTF-8 ALL", b"(" + b" ".join([b"DATE"] * 22) + b") UTF-8 ALL"],
)  # fmt: skip
def test_malformed_sort_criteria_are_refused(arguments: bytes) -> None:
    """IMAP-105"""
    assert isinstance(command(selected(), b"SORT " + arguments), c.ImapRejected)


# --- keys made from values, and read again

NUMBERS = st.integers(1, 2**32 - 1)
SETS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5).map(lambda ranges: SequenceSet(tuple(ranges)))
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
LEAVES = st.one_of(
    st.builds(k.FlagKey, st.sampled_from(["\\Seen", "\\Draft", "$Junk", "work"]), st.booleans()),
    st.builds(k.DateKey, st.sampled_from(["internal", "sent", "saved"]), st.sampled_from(["before", "on", "since"]),
              st.dates()),
    st.builds(k.AgeKey, NUMBERS, st.booleans()),
    st.builds(k.SizeKey, st.integers(0, 2**63 - 1), st.booleans()),
    st.builds(k.HeaderKey, st.sampled_from(["x-mailer", "message-id"]), TEXTS),
    st.builds(k.TextKey, TEXTS, st.booleans()),
    st.builds(k.NumberKey, SETS, st.booleans()),
    st.builds(k.ModseqKey, st.integers(0, 2**63 - 1)),
    st.just(k.And()),
)  # fmt: skip
KEYS: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(k.Not, inner),
        st.builds(k.Or, inner, inner),
        st.lists(inner, min_size=2, max_size=4).map(lambda keys: k.And(tuple(keys))),
    ),
    max_leaves=12,
)


def literal(text: str) -> str:
    return f"{{{len(text.encode())}+}}\r\n{text}"


def flag(key: k.FlagKey) -> str:
    prefix = "" if key.present else "UN"
    return f"{prefix}{key.flag[1:]}" if key.flag[0] == "\\" else f"{prefix}KEYWORD {key.flag}"


def date(key: k.DateKey) -> str:
    prefix = {"internal": "", "sent": "SENT", "saved": "SAVED"}[key.source]
    return f"{prefix}{key.relation} {key.day.day}-{MONTHS[key.day.month - 1]}-{key.day.year:04}"


WRITERS: dict[type, Callable[[Any], str]] = {
    k.FlagKey: flag,
    k.DateKey: date,
    k.AgeKey: lambda key: f"{'OLDER' if key.is_older else 'YOUNGER'} {key.seconds}",
    k.SizeKey: lambda key: f"{'LARGER' if key.is_larger else 'SMALLER'} {key.octets}",
    k.HeaderKey: lambda key: f"HEADER {key.field} {literal(key.text)}",
    k.TextKey: lambda key: f"{'TEXT' if key.with_header else 'BODY'} {literal(key.text)}",
    k.NumberKey: lambda key: ("UID " if key.by_uid else "") + format_ranges(key.numbers.ranges),
    k.ModseqKey: lambda key: f"MODSEQ {key.modseq}",
    k.Not: lambda key: f"NOT {written(key.key)}",
    k.Or: lambda key: f"OR {written(key.first)} {written(key.second)}",
    k.And: lambda key: f"({' '.join(map(written, key.keys))})" if key.keys else "ALL",
}
"""Keys as a client writes them, by their type."""


def written(key: Any) -> str:
    return WRITERS[type(key)](key)


@given(KEYS)
def test_keys_are_read_as_they_were_written(key: Any) -> None:
    """IMAP-100, IMAP-130"""
    assert command(selected(), b"SEARCH " + written(key).encode()) == c.Search("a", key)
