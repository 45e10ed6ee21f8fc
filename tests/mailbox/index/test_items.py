"""Index entries and tags of letters."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address
from mailstack.mailbox.index.items import MAX_TAGS, tag_of, traced
from tests.mailbox.index.shelf import Shelf, text


@pytest.mark.parametrize("between", [b" ", b"\r\n ", b"\t", b" id"])
def test_a_trace_costs_no_more_than_its_octets(between: bytes) -> None:
    """Blanks in a Received field held all up for ten seconds."""
    field = b"Received: from a" + between * (60_000 // len(between)) + b"b"
    began = time.process_time()
    assert traced(field + b" id 1kq2v7m4e80c3xz\r\n\r\n") == ["1kq2v7m4e80c3xz"]
    assert traced(field + b"\r\n\r\n") == []
    assert time.process_time() - began < 1.0


def tags(octets: bytes, to: Address) -> tuple[str, ...]:
    """Tags of a new letter, as the list and the feed have them."""
    shelf = Shelf(None)
    told: list[tuple[str, ...]] = []
    shelf.index.feed.subscribe(lambda event: told.append(event.data.item.tags) if event.name == "letter" else None)
    shelf.put(octets, to=(to,))
    (item,) = shelf.items()
    shelf.close()
    assert [set(each) for each in told] == [set(item.tags)]
    return tuple(sorted(item.tags))


def test_tags_of_the_header_and_of_the_recipient_are_given_once() -> None:
    octets = text(X_Tags="from x, one-two, , From X, PLUS", To="carol+list@elsewhere.test")
    assert tags(octets, Address("bob+plus+two", "home.test")) == ("PLUS", "from x", "list", "one-two", "two")


def test_a_letter_brings_a_limited_number_of_tags() -> None:
    octets = text(X_Tags=",".join(f"tag {number}" for number in range(2 * MAX_TAGS)))
    assert len(tags(octets, Address("bob", "home.test"))) == MAX_TAGS


@given(st.text())
def test_a_stored_tag_is_a_tag(text: str) -> None:
    tag = tag_of(text)
    assert tag_of(tag) == tag
