"""Files for GitHub, compose and the programs of a release: syntax, and the things that they name."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.packaging import ROOT

yaml = pytest.importorskip("yaml")

YAML = sorted([*ROOT.glob(".github/**/*.yml"), *ROOT.glob("packaging/*.y*ml")])
SHELL = [
    file
    for file in sorted([*ROOT.glob(".ci/*"), *ROOT.glob("packaging/*")])
    if file.is_file() and re.match(r"#!.*\b(ba)?sh\b", file.read_text())
]


def loaded(name):
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("file", YAML, ids=lambda file: file.name)
def test_yaml(file):
    assert yaml.safe_load(file.read_text())


@pytest.mark.parametrize("file", SHELL, ids=lambda file: file.name)
def test_shell_syntax(file):
    subprocess.run(["bash", "-n", file], check=True)
    assert file.stat().st_mode & 0o111
    assert re.search(r"^set -eu", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_issue_forms(name):
    form = loaded(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_the_workflow_runs_the_scripts_of_ci():
    commands = [step["run"] for job in loaded(".github/workflows/ci.yml")["jobs"].values() for step in job["steps"][1:]]
    assert commands == ["bash .ci/run", "bash .ci/run-packages"]


def test_the_outputs_of_the_action_are_those_of_its_script():
    action, script = loaded("packaging/action.yml"), (ROOT / "packaging/action_start").read_text()
    assert set(action["outputs"]) == set(re.findall(r'print\(f"([a-z0-9-]+)=', script))
    for variable in action["runs"]["steps"][0]["env"]:
        assert f"${{{variable}:-" in script


def test_compose_publishes_ports_of_the_image():
    exposed = re.search(r"^EXPOSE (.*)$", (ROOT / "packaging/Containerfile").read_text(), re.MULTILINE)[1].split()
    for port in loaded("packaging/compose.yaml")["services"]["mail"]["ports"]:
        assert port.split(":")[-1] in exposed
