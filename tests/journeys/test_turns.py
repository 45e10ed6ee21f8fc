"""Processor time of one turn of the reactor under load."""

from __future__ import annotations

import re
import select
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.benchmarks.crowd import Crowd
from tests.benchmarks.table.site import LOGIN, furnish
from tests.journeys.process import serve

if not hasattr(select, "epoll"):
    pytest.skip("this system has no epoll", allow_module_level=True)

HELD = 20
"""Milliseconds of the processor: these do not grow with what else the machine does, as those of a clock would."""

TURNING = [sys.executable, str(Path(__file__).with_name("turning.py"))]

HOST = "127.0.0.1"


def large(ports: dict[str, int]) -> None:
    with closing(Crowd(HOST, ports["mx"], 10, LOGIN, 3_000_000)) as crowd:
        crowd.send(20)


def many(ports: dict[str, int]) -> None:
    with closing(Crowd(HOST, ports["mx"], 100, LOGIN)) as crowd:
        crowd.send(500)


AT_ONCE = 50
"""Logins: of one client 64 may wait to be decided, and on a busy machine they do."""


def handshakes(ports: dict[str, int]) -> None:
    with closing(Crowd(HOST, ports["submission"], AT_ONCE, LOGIN, login=LOGIN, once=True)) as crowd:
        crowd.send(2 * AT_ONCE)


def goodbyes(ports: dict[str, int]) -> None:
    """Hundreds under TLS hang up at once."""
    with ExitStack() as crowds:
        for _ in range(4):
            crowd = Crowd(HOST, ports["submission"], AT_ONCE, LOGIN, login=LOGIN)
            crowds.callback(crowd.close)
            crowd.send(1)


def test_no_turn_takes_long(tmp_path: Path) -> None:
    furnish(tmp_path / "server")
    process = serve(tmp_path / "server" / "mailstack.toml", TURNING)
    took: dict[str, float] = {}

    def measure(name: str, load: Callable[[dict[str, int]], None]) -> None:
        load(process.ports)
        process.process.send_signal(signal.SIGUSR1)
        found = re.search(r"longest turn took ([0-9.]+) ms", process.wait_for("longest turn"))
        assert found is not None
        took[name] = float(found[1])

    with process:
        measure("start", lambda _: None)
        for load in (large, many, handshakes, goodbyes, large):
            measure(load.__name__, load)
        assert process.stop() == 0
    del took["start"]
    assert all(0 < milliseconds < HELD for milliseconds in took.values()), took
