"""Examples of docs/howto/pytest-examples.md, each run as printed, in a child process.

MAILSTACK_EXAMPLES_PYTHON names a Python with mailstack and the packages of the examples; the default is the Python of the tests.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parent.parent.parent / "docs/howto/pytest-examples.md"
PYTHON = os.environ.get("MAILSTACK_EXAMPLES_PYTHON", sys.executable)
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL))
PASSED = {"smtplib": 2, "asyncio": 1, "Django": 2, "Flask": 1, "FastAPI": 1, "pytest-xdist": 4, "unittest": 1}


def test_every_section_is_an_example_in_the_table():
    assert list(SECTIONS) == re.findall(r"^\| \[(.+?)\]", DOCUMENT.read_text(), re.MULTILINE) == list(PASSED)


def require(packages):
    """Skips the test unless the Python of the examples has these packages."""
    script = "import importlib.metadata, sys; [importlib.metadata.version(name) for name in sys.argv[1:]]"
    run = subprocess.run([PYTHON, "-c", script, *packages], capture_output=True, text=True, timeout=60, check=False)
    if run.returncode:
        missing = run.stderr.strip().splitlines()[-1]
        pytest.skip(f"{missing} (MAILSTACK_EXAMPLES_PYTHON says where to look)")


@pytest.mark.parametrize("name", PASSED)
def test_the_example_as_printed(name, tmp_path):
    section = SECTIONS[name]
    *install, command = re.findall(r"^\$ (.*)$", section, re.MULTILINE)
    require([package for line in install for package in line.removeprefix("pip install ").split()])
    for file, content in re.findall(r"^`([\w.]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        (tmp_path / file).write_text(content)
    program, *options = shlex.split(command)
    if program == "pytest":
        options = ["-m", "pytest", "-p", "no:cacheprovider", *options]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "DJANGO_"))}
    run = subprocess.run(
        [PYTHON, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    count = PASSED[name]
    assert re.search(rf"\b{count} passed in |^Ran {count} tests? in (?s:.*)^OK$", output, re.MULTILINE), output
