"""The store beneath a command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailstack.cli import runner
from mailstack.cli.output import CommandError
from mailstack.cli.runner import OpenStore, StoreRunner
from mailstack.cli.target import TargetServer


def test_what_root_makes_belongs_to_the_directorys_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, _gid, **_: given.append((Path(path).name, uid)))
    (tmp_path / "theirs").touch()
    with OpenStore(TargetServer(tmp_path)):
        pass
    assert {("mailstack.sqlite3", tmp_path.stat().st_uid), ("contents", tmp_path.stat().st_uid)} <= set(given)
    assert "theirs" not in {name for name, _ in given}


def test_anybody_else_gives_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(runner, "set_owner", None)
    with OpenStore(TargetServer(tmp_path)):
        pass


def test_trouble_of_the_store_is_one_line_for_people(tmp_path: Path) -> None:
    (tmp_path / "mailstack.sqlite3").mkdir()
    with pytest.raises(CommandError), OpenStore(TargetServer(tmp_path)):
        pass


def test_a_carrier_gives_up_on_threads_that_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    from twisted.internet.defer import Deferred

    async def for_ever() -> None:
        await Deferred()

    monkeypatch.setattr(runner, "TIMEOUT_S", 0.0)
    with pytest.raises(TimeoutError):
        StoreRunner().run(for_ever())
