"""Each change that is marked is seen by others, however fast one follows the other."""

from __future__ import annotations

from pathlib import Path

from mailstack.store.mark import Mark


def test_each_mark_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    one, other = Mark(tmp_path / "mark"), Mark(tmp_path / "mark")
    seen = [one.seen()]
    for _ in range(100):
        one.set()
        seen.append(other.seen())
    assert len(set(seen)) == len(seen)


def test_without_a_file_nothing_is_marked_and_nobody_fails(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "missing")
    mark.set()
    assert mark.seen() == 0
