"""docs/reference/standards.md says of each requirement whether it holds; what holds has a test that names it."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parent / "docs" / "reference" / "standards.md"
ID = re.compile(r"\b[A-Z][A-Z0-9]{1,5}-[0-9]{2,3}\b")
ROW = re.compile(r"^\| ([A-Z][A-Z0-9]+-[0-9]{2,3}) \|(.*)$", re.MULTILINE)
SOURCE = re.compile(r"RFC [0-9]{3,5}( (§[0-9.]+|appendix [A-Z])(, (§[0-9.]+|appendix [A-Z]))*)?|practice")

ROWS = [
    (name, [cell.strip() for cell in rest.rstrip("| ").split(" | ")]) for name, rest in ROW.findall(TABLE.read_text())
]
HOLDING = [name for name, cells in ROWS if cells[-1] == "holds"]


def named_in_tests() -> set[str]:
    return {name for file in HERE.rglob("*.py") if file != Path(__file__) for name in ID.findall(file.read_text())}


def test_what_holds_has_a_test_that_names_it() -> None:
    named = named_in_tests()
    print("does not hold:", *(f"{name} ({cells[-1]})" for name, cells in ROWS if cells[-1] != "holds"))  # noqa: T201
    print("named by tests, without a line:", *sorted(named - {name for name, _ in ROWS}))  # noqa: T201
    assert [name for name in HOLDING if name not in named] == []


def test_requirement_ids_are_unique() -> None:
    names = [name for name, _ in ROWS]
    assert len(names) == len(set(names)) > 50


def test_each_row_has_its_source_requirement_and_state() -> None:
    for name, cells in ROWS:
        assert len(cells) == 3, name
        source, requirement, state = cells
        assert all(SOURCE.fullmatch(each) for each in source.split("; ")), f"{name}: {source}"
        assert requirement.endswith("."), f"{name}: {requirement}"
        assert state == "holds" or len(state) > 10, f"{name}: say what does not hold, and why"
