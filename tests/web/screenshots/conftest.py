"""Temporary folder of browsers, which each test leaves empty."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until
from tests.web.screenshots.browser import traces_of_browsers


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With a short path: the browser has a socket in it (unix(7): at most 107 octets)."""
    assert tmp_path.is_dir(), "it is made before the change of its parent"
    with tempfile.TemporaryDirectory(prefix="shot-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
        until(lambda: not traces_of_browsers(Path(folder)), "no browser and no profile is left")
