"""Counters, in one process and shared by several."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.policy.counters import (
    ConnectionCounts,
    CounterTable,
    LocalConnectionCounts,
    LocalCounterTable,
    MmapConnectionCounts,
    MmapCounterTable,
    single_process,
)
from tests.clock import HandClock
from tests.policy import forked

BOTH = pytest.mark.parametrize("make", [lambda: LocalCounterTable(time.time), MmapCounterTable], ids=["own", "shared"])
LATER = time.time() + 86_400


def put(table: CounterTable, name: str, *numbers: float) -> None:
    with table.entry(name) as row:
        row[:] = numbers


def get(table: CounterTable, name: str) -> list[float]:
    with table.entry(name) as row:
        return list(row)


@BOTH
def test_a_row_is_kept_until_its_time_is_over(make: Callable[[], CounterTable]) -> None:
    table = make()
    assert get(table, "alice") == [0, 0, 0]
    put(table, "alice", LATER, 1.5, -2.0)
    put(table, "bob", time.time() - 1, 1.0, 1.0)
    assert get(table, "alice") == [LATER, 1.5, -2.0]
    assert get(table, "bob") == [0, 0, 0]
    put(table, "alice", 0.0, 0.0, 0.0)
    assert get(table, "alice") == [0, 0, 0]


@BOTH
@given(st.lists(st.tuples(st.text(max_size=8), st.floats(0, 1e9)), max_size=60))
def test_it_is_a_plain_dictionary(make: Callable[[], CounterTable], changes: list[tuple[str, float]]) -> None:
    table, plain = make(), dict[str, float]()
    for name, number in changes:
        put(table, name, LATER, number, 0.0)
        plain[name] = number
        assert get(table, name)[1] == number
    assert {name: get(table, name)[1] for name in plain} == plain


@BOTH
def test_an_error_within_the_block_changes_nothing_for_others(make: Callable[[], CounterTable]) -> None:
    table = make()
    put(table, "alice", LATER, 1.0, 1.0)
    with pytest.raises(KeyError), table.entry("alice"):
        raise KeyError
    assert get(table, "alice") == [LATER, 1.0, 1.0]


def test_the_rows_of_one_process_are_bounded_and_the_last_used_ones_stay() -> None:
    times = [0.0]
    table = LocalCounterTable(lambda: times[0], capacity=100)
    for number in range(1000):
        put(table, f"client {number}", 60.0, 1.0, 1.0)
        assert len(table) <= 100
    assert get(table, "client 999")[1] == 1
    assert get(table, "client 0")[1] == 0
    times[0] = 61
    for number in range(200):
        put(table, f"later {number}", 200.0, 1.0, 1.0)
    assert get(table, "client 999")[1] == 0


def test_in_shared_memory_the_row_that_is_over_first_makes_room() -> None:
    table = MmapCounterTable(buckets=16)
    for number in range(1000):
        put(table, f"client {number}", LATER + number, 1.0, 1.0)
    assert [get(table, f"client {number}")[1] for number in range(100)] == [0] * 100
    kept = sum(get(table, f"client {number}")[1] for number in range(900, 1000))
    assert kept > 50, "who looks for what is not there takes nobody's place"
    assert get(table, "client 999")[1] == 1


def test_the_rows_of_one_process_go_by_the_steady_clock() -> None:
    clock = HandClock()
    counters = single_process(clock)
    steady = (counters.rates, counters.failures, counters.login_addresses, counters.logins)
    for table in steady:
        put(table, "alice", clock.steady() + 60, 1.0, 1.0)
    clock.set_by(-86400)
    clock.advance(61)
    assert [get(table, "alice") for table in steady] == [[0, 0, 0]] * 4


def test_shared_rows_go_by_the_clock_that_all_processes_have() -> None:
    times = [100.0]
    table = MmapCounterTable(buckets=16, now=lambda: times[0])
    put(table, "alice", 160.0, 1.0, 1.0)
    times[0] = 159.0
    assert get(table, "alice") == [160.0, 1.0, 1.0]
    times[0] = 160.0
    assert get(table, "alice") == [0, 0, 0]


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
        assert all(plain[each] <= counts.count(each) <= plain.total() for each in CLIENTS)


def test_workers_count_together() -> None:
    """CODE-11, CODE-16, AUTH-14: a limit holds for all processes of a server together."""
    said = subprocess.run(
        [sys.executable, "-m", "tests.policy.forked"], capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()
    assert said[0] == f"{forked.WORKERS * forked.ROUNDS} 5 [1, 2, 3] 6"
    assert said[1].startswith("4 4 Defer(")
