"""Query language: the meaning of each term, and invalid queries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.delivery import DeliveryState
from mailstack.mailbox.index.query import (
    MAX_QUERY,
    Arrived,
    BadQuery,
    Flag,
    InFolder,
    InState,
    Named,
    Sized,
    Tagged,
    Term,
    Within,
    Words,
    parse,
)

DAY = 86400.0


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  ", []),
        ("Hello world", [Words("hello"), Words("world")]),
        ('"Hello  World"', [Words("hello world")]),
        ('"no end', [Words("no end")]),
        ("from:Alice", [Named("from", "alice")]),
        ('from:"Alice A"', [Named("from", "alice a")]),
        ("TO:a@b.test", [Named("to", "a@b.test")]),
        (
            "reply-to:x cc:y bcc:z addressed:w",
            [Named("reply-to", "x"), Named("cc", "y"), Named("bcc", "z"), Named("addressed", "w")],
        ),
        ("subject:Re: hi", [Within("subject", "re:"), Words("hi")]),
        ("message-id:<A@b>", [Within("message-id", "a@b")]),
        ('tag:"My Tag"', [Tagged("my tag")]),
        ("is:read is:UNREAD is:tagged", [Flag("read"), Flag("unread"), Flag("tagged")]),
        ("is:flagged", [Flag("flagged")]),
        ('in:Trash in:"Old mail/2025"', [InFolder("Trash"), InFolder("Old mail/2025")]),
        ("has:attachment has:attachments has:inline", [Flag("attachment"), Flag("attachment"), Flag("inline")]),
        ("larger:1.5K smaller:2M larger:10", [Sized(True, 1536), Sized(False, 2 * 1024**2), Sized(True, 10)]),
        ("larger:999999999999999G", [Sized(True, 2**62)]),
        ("after:1970-01-02", [Arrived(True, DAY)]),
        ("before:1970/01/02", [Arrived(False, DAY)]),
        ('after:"1970-01-01 00:01+00:00"', [Arrived(True, 60.0)]),
        ("after:1970-01-01T00:00:30Z", [Arrived(True, 30.0)]),
        ("after:2d", [Arrived(True, 8 * DAY)]),
        ("subject:", [Words("subject:")]),
        ("http://x.test/a", [Words("http://x.test/a")]),
        ('"other:thing"', [Words("other:thing")]),
        ("is:queued IS:Bounced", [InState(DeliveryState.QUEUED), InState(DeliveryState.BOUNCED)]),
        ("is:held is:relayed", [InState(DeliveryState.HELD), InState(DeliveryState.RELAYED)]),
        ("is:delivered is:collected", [InState(DeliveryState.DELIVERED), InState(DeliveryState.COLLECTED)]),
        ("10:30 foo: https://x.test:1/", [Words("10:30"), Words("foo:"), Words("https://x.test:1/")]),
        ("-", [Words("-")]),
    ],
)
def test_each_term_has_its_meaning(text: str, terms: list[object]) -> None:
    assert [term.what for term in parse(text, now=10 * DAY)] == terms
    assert not any(term.negated for term in parse(text, now=10 * DAY))


def test_a_minus_or_an_exclamation_mark_wants_letters_without_it() -> None:
    assert parse('-spam !from:bob -"two words" a-b') == (
        Term(Words("spam"), negated=True),
        Term(Named("from", "bob"), negated=True),
        Term(Words("two words"), negated=True),
        Term(Words("a-b")),
    )


def test_a_whole_address_a_domain_and_a_part_are_told_apart() -> None:
    found = [Named("to", text) for text in ("a@b", "@b.test", "@b", "ab", "b@")]
    assert [(each.is_address, each.is_domain) for each in found] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
        (False, False),
    ]


@pytest.mark.parametrize(
    "text",
    ["larger:big", "before:never", "after:99999999999999", "is:open", "has:", "a\0b", "x" * (MAX_QUERY + 1), "a " * 60],
)
def test_what_no_filter_can_be_is_refused_with_the_cure(text: str) -> None:
    if text == "has:":
        assert parse(text) == (Term(Words("has:")),)
        return
    with pytest.raises(BadQuery, match=r".{10,}"):
        parse(text)


@pytest.mark.parametrize("text", ["is:foo", "-is:foo", "has:foo", "fooo:bar", "-fooo:bar", 'hello fooo:"two words"'])
def test_an_unknown_filter_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(BadQuery) as refused:
        parse(text)
    known = ("from:", "subject:", "is:", "before:") if "fooo" in text else ("is:unread", "has:attachment", "is:bounced")
    assert all(each in str(refused.value) for each in known)


@given(st.text(max_size=200))
def test_any_text_is_terms_or_refused(text: str) -> None:
    try:
        terms = parse(text)
    except BadQuery:
        return
    assert all(term.what for term in terms)
