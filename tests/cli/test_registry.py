"""The list of dev environments that run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mailstack.cli import registry


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the list is, by the fixture that sets XDG_RUNTIME_DIR."""
    return tmp_path / "runtime" / "mailstack"


def put(directory: Path, pid: int, data: str, modified: int) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = directory / f"{pid}.json"
    file.write_text(json.dumps({"pid": pid, "data": data, "folder": "/", "config": {}}))
    os.utime(file, ns=(modified, modified))
    return file


def test_what_is_registered_is_found_until_it_is_taken_away(directory: Path, tmp_path: Path) -> None:
    registry.register(tmp_path, {"services": {}})
    assert registry.running() == [registry.Running(os.getpid(), tmp_path, {"services": {}}, Path.cwd())]
    assert directory.stat().st_mode & 0o777 == 0o700
    registry.unregister()
    registry.unregister()
    assert registry.running() == []


def test_the_newest_comes_first(directory: Path) -> None:
    put(directory, os.getpid(), "/new", 2_000)
    put(directory, os.getppid(), "/old", 1_000)
    assert [str(each.data) for each in registry.running()] == ["/new", "/old"]


def test_the_dead_and_the_unreadable_are_ignored_and_cleared_away(directory: Path) -> None:
    dead = put(directory, 2**22 + 1, "/dead", 1_000)
    broken = directory / "7.json"
    broken.write_text('{"pid": "x"')
    assert registry.running() == []
    assert not dead.exists()
    assert not broken.exists()


def test_a_directory_that_others_may_write_is_not_believed(directory: Path) -> None:
    put(directory, os.getpid(), "/data", 1_000)
    directory.chmod(0o777)
    with pytest.raises(registry.RegistryError, match="XDG_RUNTIME_DIR"):
        registry.running()


def test_a_link_is_not_believed(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    directory.parent.mkdir()
    directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(registry.RegistryError):
        registry.running()
    with pytest.raises(registry.RegistryError):
        registry.register(tmp_path, {})
