"""Tags that letters get when they come: their own, and those of filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import parse
from mailstack.mailbox.index.tags import TagFilter, Tagging, tag_of
from tests.mailbox.index.shelf import Shelf, text

TAGGED = Address("bob+plus", "home.test")


def tags(tagging: Tagging, octets: bytes, *, to: Address = TAGGED, account: str | None = None) -> tuple[str, ...]:
    """Of a letter, as the list and the feed have them."""
    shelf = Shelf(None, tagging=tagging)
    told: list[tuple[str, ...]] = []
    shelf.catalogue.feed.listen(lambda event: told.append(event.data.item.tags) if event.name == "letter" else None)
    shelf.put(octets, to=(to,), account=account)
    (item,) = shelf.items()
    shelf.close()
    assert [set(each) for each in told] == [set(item.tags)], "whoever looks on hears of the same tags"
    return tuple(sorted(item.tags))


@pytest.mark.parametrize(
    ("tagging", "wanted"),
    [
        (Tagging(), ("from x", "one-two", "plus")),
        (Tagging(x_tags=False), ("plus",)),
        (Tagging(plus_addresses=False), ("from x", "one-two")),
        (Tagging(title_case=True), ("From X", "One-Two", "Plus")),
        (Tagging(account=True), ("alice@home.test", "from x", "one-two", "plus")),
    ],
)
def test_where_tags_come_from(tagging: Tagging, wanted: tuple[str, ...]) -> None:
    octets = text(X_Tags="from x, one-two, , From X")
    assert tags(tagging, octets, account="alice@home.test") == wanted


def found_by(query: str, *given: str) -> TagFilter:
    return TagFilter(given, parse(query), query.lower().encode())


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("subject:offer", True),
        ("subject:offer larger:1M", False),
        ("from:alice@home.test", True),
        ("-subject:offer", False),
        ("BUY", True),
        ("x-mailer: robot", True),  # found as a text, which no filter of the search is
        ("nothing", False),
    ],
)
def test_a_filter_finds_by_the_search_or_by_what_stands_in_the_letter(query: str, fits: bool) -> None:
    tagging = Tagging(filters=(found_by(query, "Offer", "second"),), plus_addresses=False)
    given = tags(tagging, text("An offer", "buy now", X_Mailer="Robot"))
    assert given == (("Offer", "second") if fits else ())


def test_a_filter_looks_at_new_letters_alone() -> None:
    shelf = Shelf(None, tagging=Tagging(filters=(found_by("subject:offer", "Offer"),)))
    shelf.put(text("An offer"))
    (old,) = shelf.items()
    shelf.run(shelf.catalogue.set_tags(ItemFilter(ids=(old.id,)), []))
    shelf.put(text("something"))
    assert [item.tags for item in shelf.items()] == [(), ()]
    shelf.close()


def test_a_tag_is_given_once_whatever_its_case() -> None:
    tagging = Tagging(filters=(found_by("offer", "PLUS", "x"), found_by("an", "X")))
    assert len(tags(tagging, text("An offer"))) == 2


@given(st.text())
def test_whatever_is_kept_as_a_tag_is_one(text: str) -> None:
    tag = tag_of(text)
    assert tag_of(tag) == tag
