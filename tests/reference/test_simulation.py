"""The reference of the simulation is what the docstrings say, and the examples of its documents run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import mailstack.sandbox.faults
import mailstack.sandbox.simulation
from mailstack.sandbox.faults import Fault
from tests.reference.simulation import DOCUMENT, written

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = (DOCS / "tutorial-simulation.md").read_text()
FAULTS = (DOCS / "howto" / "faults.md").read_text()
TESTS = "\n".join(file.read_text() for file in Path(__file__).parents[1].rglob("test_*.py"))
RULES = re.findall(r'`(\{"at": [^`]*\})`', FAULTS)


def test_the_reference_is_what_the_docstrings_say() -> None:
    assert DOCUMENT.read_text() == written(), "write it anew: python -m tests.reference"


@pytest.mark.parametrize(
    "module", [mailstack.sandbox.simulation, mailstack.sandbox.faults], ids=lambda module: module.__name__
)
def test_every_public_name_is_in_the_reference(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]
        assert f"### {name}\n" in DOCUMENT.read_text()


def test_the_tutorials_examples_run_and_say_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, object] = {}
    for example in re.findall(r"^```python\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL):
        exec(compile(example, "tutorial-simulation.md", "exec"), scope)
    said = capsys.readouterr().out
    for told in re.findall(r"^```text\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL):
        for line in told.splitlines():
            # Times of day are those of the examples; the ids and the milliseconds of others may differ.
            words = re.sub(r"^[0-9:.]+ +", "", line).strip()
            assert words in said, f"{words!r} is not what is printed"


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_of_the_how_to_is_one(rule: str) -> None:
    if "…" not in rule:
        Fault.from_json(json.loads(rule))


def test_every_fault_of_the_how_to_has_the_test_that_it_names() -> None:
    named = re.findall(r"`(test_\w+)`", FAULTS)
    assert len(named) > 35
    assert [name for name in named if f"def {name}(" not in TESTS] == []
