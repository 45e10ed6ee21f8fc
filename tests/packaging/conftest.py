"""Tests of files that only a checkout has. The tests of an installed wheel leave them out."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.packaging import ROOT

collect_ignore_glob = [] if (ROOT / "packaging").is_dir() else ["test_*.py"]


class Archives(NamedTuple):
    """Distributions as an index of packages gets them."""

    wheel: str
    sdist: str


@pytest.fixture(scope="session")
def archives(tmp_path_factory):
    """Source archive of the checkout, and the wheel built from that archive."""
    for tool in ("build", "hatchling", "hatch_fancy_pypi_readme"):
        pytest.importorskip(tool, reason="pip install 'mailstack[release]'")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Archives(str(wheel), str(sdist))
