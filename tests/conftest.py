"""Rules for the whole suite: where CI runs it, nothing is skipped; how long a property takes is the machine's business."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.aid import QUICK_EXAMPLES

# A busy machine is no defect; tests/benchmarks measures how long something takes.
settings.register_profile("mailstack", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("mailstack"), max_examples=QUICK_EXAMPLES)
settings.load_profile("mailstack")

# As in the Makefile: otherwise each server that a test starts compiles all modules anew, which is three quarters of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_MEMORY = "/dev/shm"
_MIN_FREE = 4 << 30
"""Octets that the file system in memory must have for temporary files."""


def _is_usable_memory() -> bool:
    """Whether programs can run from the file system in memory, and it is large enough."""
    if not os.access(_MEMORY, os.W_OK):
        return False
    status = os.statvfs(_MEMORY)
    return not status.f_flag & os.ST_NOEXEC and status.f_bavail * status.f_frsize >= _MIN_FREE


# A write there needs no disk; on a disk a test waits for each letter that a server stores. No test cuts the power.
if "TMPDIR" not in os.environ and _is_usable_memory():
    os.environ["TMPDIR"] = _MEMORY
    tempfile.tempdir = None

pytest_plugins = ["pytester", "tests.quick", "tests.postgresql.fixtures", "tests.objects.fixtures"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collected tests stay: the garbage collector does not run meanwhile, and skips them later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _fail_what_was_skipped(report: Any) -> None:
    """A test that did not run proves nothing, so it must not look green where nobody reads the list of skips."""
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        where, line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{where}:{line}: {reason}: skipped, and with CI set every test must run"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    _fail_what_was_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    _fail_what_was_skipped(report)
    return report


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What was logged, as "level text"."""
    lines: list[str] = []

    def keep(event: LogEvent) -> None:
        lines.append(f"{event['log_level'].name} {formatEvent(event)}")

    globalLogPublisher.addObserver(keep)
    yield lines
    globalLogPublisher.removeObserver(keep)
