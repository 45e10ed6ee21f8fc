"""A reserve of the disk that letters which arrive leave for what makes room, or ends what was begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.store import StoreFull
from mailstack.store.data_directory import INTERVAL, FreeSpace, free_octets

MIB = 1 << 20


class Disk:
    """One with as much free as a test says, and a clock."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.now = 0.0
        self.looks = 0

    def measure(self, _: Path) -> int:
        self.looks += 1
        return self.free


def space(disk: Disk, reserve: int = 64 * MIB) -> FreeSpace:
    return FreeSpace(Path("/data"), reserve, now=lambda: disk.now, measure=disk.measure)


def test_what_would_not_leave_the_reserve_is_refused() -> None:
    disk = Disk(100 * MIB)
    free = space(disk)
    free.check()
    free.check(36 * MIB)
    with pytest.raises(StoreFull, match=r"/data: 100 MiB free on the disk, and limits\.min_free_space keeps 64 MiB"):
        free.check(36 * MIB + 1)


def test_the_disk_is_looked_at_once_a_second() -> None:
    disk = Disk(100 * MIB)
    free = space(disk)
    for _ in range(1000):
        free.check()
    assert disk.looks == 1
    disk.free = 63 * MIB
    free.check()
    disk.now = INTERVAL
    with pytest.raises(StoreFull):
        free.check()
    disk.free = 65 * MIB
    disk.now = 2 * INTERVAL
    free.check()
    assert disk.looks == 3


def test_what_is_written_counts_before_the_next_look() -> None:
    """Else letters that come within a second could take the reserve."""
    disk = Disk(66 * MIB)
    free = space(disk)
    free.check()
    free.spend(1 * MIB)
    with pytest.raises(StoreFull):
        free.spend(1)


def test_without_a_reserve_nothing_is_looked_at() -> None:
    disk = Disk(0)
    space(disk, 0).check(MIB)
    space(disk, 0).spend(MIB)
    assert disk.looks == 0


def test_a_directory_that_is_gone_is_for_the_store_to_miss(tmp_path: Path) -> None:
    free = FreeSpace(tmp_path / "gone", 64 * MIB)
    free.check(MIB)
    free.spend(MIB)


def test_a_real_disk_is_measured(tmp_path: Path) -> None:
    assert free_octets(tmp_path) > 0
    with pytest.raises(StoreFull):
        FreeSpace(tmp_path, 1 << 60).check()
