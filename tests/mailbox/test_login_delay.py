"""How soon a reader may log in again."""

from __future__ import annotations

import pytest

from mailstack.mailbox import login_delay
from mailstack.mailbox.login_delay import LoginDelay


def test_a_reader_waits_from_one_login_to_the_next() -> None:
    """POP-27"""
    times = [100.0]
    delay = LoginDelay(60, lambda: times[0])
    assert delay.wait("bob") == 0
    delay.logged_in("bob")
    times[0] += 20
    assert (delay.wait("bob"), delay.wait("alice")) == (40, 0)
    times[0] += 40
    assert delay.wait("bob") == 0


def test_no_more_is_remembered_than_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0.0]
    delay = LoginDelay(60, lambda: times[0])
    for name in ("a", "b", "a", "c"):
        delay.logged_in(name)
    monkeypatch.setattr(login_delay, "MOST_READERS", 2)
    delay.logged_in("d")
    assert [bool(delay.wait(name)) for name in "abcd"] == [False, False, True, True]
    times[0] = 61
    delay.logged_in("e")
    assert list(delay._last) == ["e"]


def test_without_a_delay_nothing_is_remembered() -> None:
    delay = LoginDelay(0, lambda: 0.0)
    delay.logged_in("bob")
    assert delay.wait("bob") == 0
    assert not delay._last
