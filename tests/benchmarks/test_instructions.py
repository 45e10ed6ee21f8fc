"""The counter of instructions: each row's work with a real server, one count by valgrind, and the comparison."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from tests.benchmarks.instructions.__main__ import CHECKOUT, Count, Report, Source, table
from tests.benchmarks.instructions.rows import ROWS, Row, measure, selected

RETRIEVE = next(row for row in ROWS if row.name == "retrieve")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_does_its_work_with_a_server_whose_clock_is_held(row: Row) -> None:
    assert measure(row, CHECKOUT, 10, counted=False) == 0


def test_valgrind_counts_the_instructions_of_a_letter() -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    assert 50_000 < measure(RETRIEVE, CHECKOUT, 20) < 5_000_000


def test_rows_are_selected_by_name_or_first_word() -> None:
    assert [row.name for row in selected("retrieve,accept")] == ["retrieve", "accept-mx", "accept-submission"]
    assert [row.name for row in selected("accept-mx,accept-mx")] == ["accept-mx"]
    with pytest.raises(ValueError, match="no row is named 'list'; there are accept-mx"):
        selected("list")


def test_checkouts_are_compared_with_the_first() -> None:
    sources = [
        Source("1a43a3a", str(Path("/old")), [Count("retrieve", [400_000.0, 402_000.0])]),
        Source("8b58245", str(Path("/new")), [Count("retrieve", [521_300.0])]),
    ]
    console = Console(width=80)
    with console.capture() as captured:
        console.print(table(Report("3.13.5", "valgrind-3.24.0", 500, sources), [RETRIEVE]))
    shown = captured.get()
    [row] = [line for line in shown.splitlines() if "retrieve" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "retrieve", "401,000", "0.50 %", "521,300", "", "+30.00 %"
    ]  # fmt: skip
    assert "Python 3.13.5, valgrind-3.24.0, 500 letters counted" in shown
