"""Retry schedule, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.queue.retry_schedule import RetrySchedule

MINUTE, HOUR, DAY = 60, 3600, 86400
SCHEDULE = RetrySchedule()


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [
        (1, 5 * MINUTE), (2, 10 * MINUTE), (3, 20 * MINUTE), (4, 40 * MINUTE), (5, 80 * MINUTE), (6, 160 * MINUTE),
        (7, 4 * HOUR), (8, 4 * HOUR), (10**6, 4 * HOUR),
    ],
)  # fmt: skip
def test_the_wait_doubles_up_to_the_longest(attempts, wait):
    """RLY-08."""
    assert SCHEDULE.next_due(0, attempts, 1000, 0.5) == 1000 + wait


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 270), (0.25, 285), (0.5, 300), (0.75, 315)])
def test_jitter_moves_the_wait_by_a_tenth_at_most(jitter, wait):
    assert SCHEDULE.next_due(0, 1, 0, jitter) == pytest.approx(wait)


def test_the_last_attempt_is_made_at_the_age_of_giving_up():
    assert SCHEDULE.next_due(0, 20, 5 * DAY - HOUR, 0.5) == 5 * DAY
    assert SCHEDULE.next_due(0, 20, 5 * DAY, 0.5) == 5 * DAY + 4 * HOUR


@pytest.mark.parametrize(
    ("age", "late", "expired"),
    [
        (0, False, False),
        (4 * HOUR - 1, False, False),
        (4 * HOUR, True, False),
        (5 * DAY - 1, True, False),
        (5 * DAY, True, True),
    ],
)
def test_late_and_expired_are_ages(age, late, expired):
    assert SCHEDULE.is_late(1000, 1000 + age) is late
    assert SCHEDULE.is_expired(1000, 1000 + age) is expired


def test_nobody_is_warned_when_the_setting_is_zero():
    assert not RetrySchedule(warn_after=0).is_late(0, 10 * DAY)


@given(st.floats(0, 1e10), st.integers(1, 10**9), st.floats(0, 1e7), st.floats(0, 1, exclude_max=True))
def test_the_next_attempt_is_always_later(born, attempts, age, jitter):
    assert SCHEDULE.next_due(born, attempts, born + age, jitter) > born + age or SCHEDULE.is_expired(
        born, born + age + 1e-3
    )
