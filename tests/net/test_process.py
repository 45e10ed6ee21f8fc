"""Limit of open files: raised, and compared with the settings."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mailstack.net.process import RESERVED_FILES, raise_limit, shortfall
from tests.journeys.process import Process, server

RAISE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from mailstack.net.process import raise_limit
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 256), (256, 256)])
def test_the_soft_limit_is_raised_to_the_hard_one(soft: int, hard: int) -> None:
    code = RAISE.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [str(hard)] * 3


@pytest.mark.parametrize("finite", [4096, 65_536])
def test_an_infinite_hard_limit_is_tried_with_what_the_system_takes(
    monkeypatch: pytest.MonkeyPatch, finite: int
) -> None:
    limits = [256, resource.RLIM_INFINITY]

    def set_limit(_: int, wanted: tuple[int, int]) -> None:
        if wanted[0] > finite:
            raise ValueError("not permitted")
        limits[:] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    assert raise_limit() == limits[0] == (finite if finite == 65_536 else 256)


def test_a_limit_that_is_too_low_is_explained_with_the_cure() -> None:
    assert shortfall(10_000 + 200 + RESERVED_FILES, 10_000, 100) == ""
    assert shortfall(resource.RLIM_INFINITY, 10_000, 100) == ""
    text = shortfall(4096, 10_000, 100)
    for part in ("4096", "limits.connections = 10000", "relay.concurrency = 100", "10456", "LimitNOFILE="):
        assert part in text


def test_a_server_raises_its_limit_and_warns(tmp_path: Path) -> None:
    config = server(tmp_path)
    code = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))\n"
    code += "from mailstack.cli import main; main(prog_name='mailstack')"
    limited = [sys.executable, "-c", code]
    with Process("serve", "-c", str(config), program=limited) as process:
        assert "the limit of open files is 512, but limits.connections = 10000" in process.wait_for("open files")
        process.services(3)
        assert process.stop() == 0
