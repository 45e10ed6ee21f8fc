"""Every line of the documents that installs mailstack, run with a wheel of this checkout and the tools that it names.

Lines of pip find the dependencies installed, and build without isolation: test_distributions.py lets pip do all of it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.packaging import ROOT

TIMEOUT_S = 300
WHEEL = re.compile(r"[\w./]*mailstack-0\.1\.0-py3-none-any\.whl")
LINE = re.compile(r"(?:^\$ |^# |- run: |- |`)((?:\S*/)?(?:uvx|pipx|uv pip|uv tool|pip)(?: [^`#\n]*)?)", re.MULTILINE)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS += [file for folder in ("howto", "reference") for file in sorted((ROOT / "docs" / folder).glob("*.md"))]
MODULES = {"qr": "segno", "websocket": "wsproto", "pictures": "PIL", "postgresql": "psycopg", "s3": "boto3"}


def lines():
    """Commands that install or run mailstack, each once, with WHEEL for the documented file."""
    found = {
        re.sub(r"^/\S*/", "", WHEEL.sub("WHEEL", line.strip()))
        for document in DOCUMENTS
        for line in LINE.findall(document.read_text())
    }
    return sorted(line for line in found if re.search(r" \.( |$)|WHEEL|mailstack\[", line) and "install --" not in line)


LINES = lines()


def test_the_lines_are_found():
    tools = {line.split()[0] for line in LINES}
    assert tools == {"pip", "uv", "uvx", "pipx"}
    assert "pip install . pytest" in LINES
    assert len(LINES) >= 8


@pytest.fixture
def environment(tmp_path):
    """Virtual environment, and the variables that lead each tool into it or into the test's folder."""
    tools = Path(sys.executable).parent
    for tool in ("uv", "pipx"):
        if not (tools / tool).exists():
            pytest.skip(f"{tool} is not installed: pip install 'mailstack[release]'")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=TIMEOUT_S)
    return {
        **os.environ,
        "PATH": f"{tmp_path}/venv/bin:{tmp_path}/bin:{tools}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(tmp_path / "venv"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to write: without isolation
        "PIP_NO_COMPILE": "1",
        "PIP_PYTHON": str(tmp_path / "venv" / "bin" / "python"),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
    }


def run(command, environment):
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout


def needed(wheel, line):
    """What is to be installed before a line: mailstack for one of its extras, otherwise its dependencies and build tools."""
    if "mailstack[" in line:
        return [wheel]  # the index is not asked for mailstack
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [*project["project"]["dependencies"], *project["build-system"]["requires"]]


@pytest.mark.parametrize("line", LINES)
def test_an_install_line_works(line, archives, environment):
    words = shlex.split(line.replace("WHEEL", archives.wheel))
    if words[0] == "uvx" or words[:2] == ["pipx", "run"]:
        # The same command, but on free ports, and with a message through it.
        assert words[-1] == "dev"
        smoke = [sys.executable, ROOT / "packaging" / "smoke.py", *words[:-1]]
        assert "ready in" in run(smoke, environment)
        return
    extras = re.findall(r"\[([a-z,0-9]+)\]", line)
    if words[0] == "pip":
        run(["uv", "pip", "install", "--quiet", *needed(archives.wheel, line)], environment)
    run(words if "uv" in words[0] else [*words, "--quiet"], environment)
    places = f"{environment['VIRTUAL_ENV']}/bin:{environment['PIPX_BIN_DIR']}"
    command = shutil.which("mailstack", path=places)
    assert command is not None
    assert "version" in run([command, "--version"], environment)
    for extra in extras[0].split(",") if extras else ():
        run([f"{environment['VIRTUAL_ENV']}/bin/python", "-c", f"import {MODULES[extra]}"], environment)
