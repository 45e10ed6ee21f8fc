"""Searches by delivery state: recipients, copies, accounts, and changes of many letters."""

from __future__ import annotations

import pytest

from mailstack.letter import Address, LetterId
from mailstack.letter.delivery import DeliveryState
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import parse
from tests.mailbox.index.shelf import ALICE, BOB, Shelf, text

CAROL = Address("carol", "elsewhere.test")
SEARCHED = [state for state in DeliveryState if state is not DeliveryState.REMOVED]


def relayed(shelf: Shelf, *recipients: Address, copy_state: DeliveryState) -> LetterId:
    """A letter of alice's that was relayed; the other server has a copy for carol."""
    source = shelf.put(to=recipients, state=DeliveryState.RELAYED, account=ALICE.key)
    trace = f"Received: by mx.home.test with ESMTP id {source};\r\n\tdate\r\n".encode()
    shelf.put(trace + text(), to=(CAROL,), server="mx.world.test", helo="mx.home.test", state=copy_state)
    return source


def test_each_state_finds_its_letters(shelf: Shelf) -> None:
    letters = {state: shelf.put(state=state) for state in SEARCHED}
    assert {state: shelf.find(f"is:{state}") for state in SEARCHED} == {state: [letters[state]] for state in SEARCHED}
    assert set(shelf.find("-is:bounced")) == set(letters.values()) - {letters[DeliveryState.BOUNCED]}
    assert shelf.find("is:bounced is:held") == []
    assert shelf.find("is:bounced nowhere") == []


def test_the_state_of_a_copy_replaces_relayed(shelf: Shelf) -> None:
    """As in the state that lists show: the last server counts."""
    arrived = relayed(shelf, CAROL, copy_state=DeliveryState.COLLECTED)
    both = relayed(shelf, CAROL, BOB, copy_state=DeliveryState.DELIVERED)
    assert shelf.find("is:collected") == [arrived]
    assert shelf.find("is:delivered") == [both]
    assert shelf.find("is:relayed") == [both], "bob's host keeps no copy here"


@pytest.mark.parametrize("submitted", [True, False])
def test_an_account_finds_states_of_others_only_in_its_own_letters(shelf: Shelf, submitted: bool) -> None:
    letter = shelf.put(to=(BOB, CAROL), state=DeliveryState.BOUNCED, account=ALICE.key if submitted else None)
    assert shelf.find("is:bounced", seen_by=ALICE.key) == ([letter] if submitted else [])
    assert shelf.find("is:bounced", seen_by=BOB.key) == [letter]


def test_a_recipient_learns_nothing_of_another_recipient(shelf: Shelf) -> None:
    shelf.put(to=(BOB,), state=DeliveryState.DELIVERED)
    copy = shelf.put(to=(Address("bob+news", "home.test"),), state=DeliveryState.COLLECTED)
    assert shelf.find("is:collected", seen_by=BOB.key) == [copy]
    mixed = relayed(shelf, BOB, CAROL, copy_state=DeliveryState.BOUNCED)
    assert mixed not in shelf.find("is:bounced", seen_by=BOB.key)
    assert shelf.find("is:bounced", seen_by=ALICE.key) == [mixed]


def test_letters_of_a_state_are_changed_and_deleted_together(shelf: Shelf) -> None:
    for _ in range(3):
        shelf.put(state=DeliveryState.BOUNCED)
    kept = shelf.put()
    bounced = ItemFilter(terms=parse("is:bounced"))
    assert shelf.run(shelf.index.tag(bounced, ["check"])) == 3
    assert shelf.run(shelf.index.soft_delete(bounced)).count == 3
    assert shelf.find() == [kept]
