"""The rule that selects the quick tests: by what a file imports, and by the fixtures of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.quick import EXHAUSTIVE, HERE, starts_processes


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("store/test_crash.py", True),  # imports subprocess itself
        ("policy/test_counters.py", True),  # a helper forks
        ("upgrade/test_upgrade.py", True),
        ("benchmarks/test_table.py", True),  # a helper of a helper
        ("browser/test_letter.py", True),  # the conftest.py beside it
        ("contracts/test_store_postgresql.py", True),
        ("contracts/test_store_sqlite.py", False),
        ("protocols/smtp/test_order.py", False),
        ("sandbox/simulation/test_clock.py", False),
        ("test_layers.py", False),
    ],
)
def test_a_file_that_starts_processes_is_recognised(file: str, expected: bool) -> None:
    assert starts_processes(HERE / file) is expected


def test_every_exhaustive_place_exists() -> None:
    assert [place for place in EXHAUSTIVE if not place.exists()] == []


def test_a_module_named_in_any_form_of_import_is_followed(tmp_path: Path) -> None:
    for line in (
        "from tests.journeys import process",
        "from tests.journeys.process import command",
        "from tests.journeys import (\n    internet,\n    process,\n)",
        "import tests.journeys.process as helper",
        "def test_it():\n    from tests.journeys.process import command",
    ):
        file = tmp_path / f"test_{abs(hash(line))}.py"
        file.write_text(line + "\n")
        assert starts_processes(file), line
