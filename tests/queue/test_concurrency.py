"""Concurrency windows of destinations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailstack.queue.concurrency import ConcurrencyWindows


def test_a_window_grows_with_success_and_shrinks_with_failure():
    """RLY-13."""
    windows = ConcurrencyWindows(first=2, max_width=4)
    assert windows.width("a") == 2
    for _ in range(10):
        windows.attempted("a", reached=True)
    assert windows.width("a") == 4
    for _ in range(10):
        windows.attempted("a", reached=False)
    assert windows.width("a") == 1
    assert windows.width("b") == 2


def test_what_says_nothing_changes_nothing():
    windows = ConcurrencyWindows(first=2, max_width=4)
    windows.attempted("a", reached=None)
    assert windows.width("a") == 2


def test_a_host_that_takes_four_connections_gets_about_four():
    windows = ConcurrencyWindows(first=5, max_width=20)
    widths = []
    for _ in range(200):
        width = windows.width("a")
        for place in range(width):
            windows.attempted("a", reached=place < 4)
        widths.append(width)
    assert set(widths[20:]) <= {3, 4, 5, 6}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([True, False, None]))))
def test_every_width_is_within_its_limits(attempts):
    windows = ConcurrencyWindows(first=3, max_width=7, max_remembered=2)
    for destination, reached in attempts:
        windows.attempted(destination, reached=reached)
        assert all(1 <= windows.width(each) <= 7 for each in "abc")
