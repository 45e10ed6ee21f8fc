"""Connections are counted alike in one process and in several, and what several count at once is not lost."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.policy.counters import ConnectionCounts, LocalConnectionCounts, MmapConnectionCounts
from tests.policy.counters import forked

CLIENTS = ["192.0.2.1", "192.0.2.2", "2001:db8::", ""]


@pytest.mark.parametrize("make", [LocalConnectionCounts, lambda: MmapConnectionCounts(2)], ids=["own", "shared"])
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(CLIENTS)), max_size=40))
def test_no_client_is_counted_for_less_than_a_plain_counter_has(
    make: Callable[[], ConnectionCounts], moves: list[tuple[bool, str]]
) -> None:
    counts, plain = make(), Counter[str]()
    for comes, client in moves:
        if comes:
            counts.add(client)
            plain[client] += 1
        elif plain[client]:
            counts.remove(client)
            plain[client] -= 1
        assert counts.total() == plain.total()
        assert all(plain[each] <= counts.of(each) <= plain.total() for each in CLIENTS)


def test_workers_count_together() -> None:
    """CODE-11, CODE-16, AUTH-14: a limit holds for all processes of a server together."""
    said = subprocess.run(
        [sys.executable, "-m", "tests.policy.counters.forked"], capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()
    assert said[0] == f"{forked.WORKERS * forked.ROUNDS} 5 [1, 2, 3] 6"
    assert said[1].startswith("4 4 Defer(")
