"""Nodes on one database are notified of changed mailboxes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aid import Pump
from tests.contracts.store import BOB, Subject, place

pytest.importorskip("psycopg", exc_type=ImportError)


def test_a_node_is_notified_of_the_mailboxes_that_another_changes(pump: Pump, open_store: Any) -> None:
    """IMAP-111."""
    one, other = open_store(owner="one"), open_store(owner="other")
    seen: list[str | None] = []
    one.mailboxes.on_change(seen.append)
    place(Subject(other, pump.run, lambda: other))
    for _ in range(100):
        if seen:
            break
        pump.wait(0.05)
    assert seen == [BOB.key]


def test_a_command_notifies_before_it_ends(pump: Pump, open_store: Any) -> None:
    one, command = open_store(owner="one"), open_store()
    place(Subject(one, pump.run, lambda: one))
    seen: list[str | None] = []
    one.mailboxes.on_change(seen.append)
    pump.run(command.mailboxes.update(BOB.key, collected=[], deleted=[1], steps=[]))
    pump.run(command.close())
    for _ in range(100):
        if seen:
            break
        pump.wait(0.05)
    assert seen == [BOB.key]


@given(st.sets(st.text(st.characters(exclude_characters="\n\0", codec="utf-8"), min_size=1), min_size=1))
def test_names_are_read_back_from_a_payload(names: set[str]) -> None:
    from mailstack.store.postgresql.change_notices import names_in, payload_of

    assert set(names_in(payload_of("a 1", names), "b") or ()) == names
    assert names_in(payload_of("a 1", names), "a 1") == []


def test_a_payload_without_space_for_the_names_has_none() -> None:
    from mailstack.store.postgresql.change_notices import names_in, payload_of
    from mailstack.store.postgresql.process_registration import WORK

    assert names_in(payload_of("a 1", [f"{'x' * 100}{number}" for number in range(80)]), "b") == [None]
    assert names_in(WORK, "b") is None
