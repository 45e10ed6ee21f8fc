"""Nodes on one database are notified of changed mailboxes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aid import Pump
from tests.contracts.store import BOB, Subject, place
from tests.store.sqlite.test_change_watch import PumpedClock

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

    assert set(names_in(payload_of("a 1", names))) == names


def test_a_payload_without_space_for_the_names_has_none() -> None:
    from mailstack.store.postgresql.change_notices import names_in, payload_of

    assert names_in(payload_of("a 1", [f"{'x' * 100}{number}" for number in range(80)])) == [None]


def test_a_process_without_notifications_polls() -> None:
    """It polls until an echo of its own notices comes, and again when no more comes."""
    from mailstack.store.postgresql.change_notices import ECHO_S, INTERVAL_S, POLL_S, AnnouncedChanges
    from mailstack.store.postgresql.process_registration import WORK

    clock = PumpedClock()
    sent: list[str] = []

    async def notify(payload: str) -> None:
        sent.append(payload)

    changes = AnnouncedChanges(clock, "a 1", notify)
    seen: list[str | None] = []
    end = changes.subscribe(seen.append)
    clock.advance(POLL_S)
    clock.advance(POLL_S)
    assert (seen, sent) == ([None, None], ["echo a 1"] * 2)
    assert changes.on_payload(sent[0])
    clock.advance(POLL_S)
    assert changes.on_payload(sent[0])
    clock.advance(ECHO_S)
    assert seen == [None, None]
    clock.advance(ECHO_S)
    clock.advance(POLL_S)
    assert seen == [None] * 4
    assert changes.on_payload("mailboxes b 1\nbob@home.test")
    assert changes.on_payload("echo b 1")
    assert not changes.on_payload(WORK)
    assert seen[4:] == ["bob@home.test"]
    changes.publish(["x"])
    changes.publish(["y", "x"])
    clock.advance(INTERVAL_S)
    assert sent[-1] == "mailboxes a 1\nx\ny"
    end()
    clock.advance(ECHO_S)
    assert not clock.getDelayedCalls()
    changes.subscribe(seen.append)
    changes.close()
    assert not clock.getDelayedCalls()
