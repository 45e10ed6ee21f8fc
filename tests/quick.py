"""Selection of the quick tests, `pytest --quick`: without programs that are started, browser, or database server.

The rule reads imports and fixtures, so that a new test needs no mark. A test file is left out if it, a helper of `tests`
that it imports, or a conftest.py beside it imports what starts a process. Of the other files each test is left out that
uses a fixture which needs one, and each test marked `slow`: it measures processor time, on megabytes. Properties are
tried with few examples.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent

STARTS_PROCESSES = re.compile(
    r"^\s*(?:import|from) (?:subprocess|multiprocessing)\b|\bos\.fork\(|\bspawnProcess\(", re.MULTILINE
)
EXHAUSTIVE = tuple(
    HERE / name
    for name in (
        "crash",
        "journeys",
        "nodes",
        "sandbox/simulation/test_crashes.py",
        "store/test_failing_disk.py",
        "web/checks/test_processor_time.py",
    )
)
"""Folders and files that are left out for their time: whole servers, every point of failure, and every hostile letter."""

FIXTURES = frozenset({"postgresql", "object_store", "pytester"})
"""Fixtures that start a server, or another pytest."""

_IMPORTED = re.compile(
    r"^\s*(?:from (tests(?:\.\w+)*) import ([^\n(]+|\([^)]*\))|import (tests(?:\.\w+)*))", re.MULTILINE
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out tests that start a process, a browser or a server")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: measures processor time; left out by --quick")
    if config.getoption("quick"):
        settings.load_profile("quick")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("quick"):
        return None
    if collection_path in EXHAUSTIVE or (collection_path.suffix == ".py" and starts_processes(collection_path)):
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("quick"):
        return
    slow = [
        item
        for item in items
        if not FIXTURES.isdisjoint(getattr(item, "fixturenames", ())) or item.get_closest_marker("slow")
    ]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in set(slow)]


def starts_processes(file: Path) -> bool:
    """Whether a test file, a helper that it imports, or a conftest.py beside it or above it may start a process."""
    seen: set[Path] = set()
    waiting = [file, *(folder / "conftest.py" for folder in file.parents if folder != HERE and HERE in folder.parents)]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        own, helpers = _read(path)
        if own:
            return True
        waiting += helpers
    return False


@cache
def _read(path: Path) -> tuple[bool, list[Path]]:
    """Whether a file itself starts processes, and the files of `tests` that it imports."""
    text = path.read_text()
    helpers = []
    for package, names, module in _IMPORTED.findall(text):
        parts = (package or module).split(".")[1:]
        helpers += [HERE.joinpath(*parts).with_suffix(".py"), HERE.joinpath(*parts, "__init__.py")]
        helpers += [HERE.joinpath(*parts, f"{name}.py") for name in re.findall(r"\w+", names)]
    return bool(STARTS_PROCESSES.search(text)), helpers
