"""How soon a reader may log in again."""

from __future__ import annotations

from mailstack.mailbox.pop3.authorization import LoginDelay
from mailstack.policy.counters import LocalCounterTable


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


def test_without_a_delay_nothing_is_remembered() -> None:
    ledger = LocalCounterTable(lambda: 0.0)
    delay = LoginDelay(0, lambda: 0.0, ledger)
    delay.logged_in("bob")
    assert delay.wait("bob") == 0
    assert len(ledger) == 0
