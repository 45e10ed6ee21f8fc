"""Tests of files that only a checkout has. The tests of an installed wheel leave them out."""

from __future__ import annotations

from tests.packaging import ROOT

collect_ignore_glob = [] if (ROOT / "packaging").is_dir() else ["test_*.py"]
