"""Blocks of the how-to "use it in CI": their syntax and ports, and the commands that start an environment."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import smtplib
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mailstack.cli import main
from tests.docs.blocks import blocks

yaml = pytest.importorskip("yaml")

BLOCKS = blocks("howto/use-in-ci.md")
YAML = {heading: yaml.safe_load(found[0][1]) for heading, found in BLOCKS.items() if found and found[0][0] == "yaml"}
PORT_BASE = 20000 + os.getpid() % 5000
"""All ports are below the range of ephemeral ports, which begins at 32768."""


def test_every_block_is_named_in_the_table_of_what_was_tried():
    table = (Path(__file__).parent.parent.parent / "docs/howto/use-in-ci.md").read_text().split("\n## ")[0]
    for heading in BLOCKS:
        assert f"| {heading} |" in table or heading == "Without a fixed port"


@pytest.mark.parametrize("heading", YAML)
def test_ports_of_a_block(heading):
    text = BLOCKS[heading][0][1]
    assert set(re.findall(r"\b(?:[18]025|81\d\d)\b", text)) <= {"1025", "8025", "8125", "8126"}
    assert ("smtp-port" if "the action" in heading else "1025") in text


def test_python_compiles():
    compile(BLOCKS["Testcontainers"][0][1], "use-in-ci.md", "exec")


def github_commands():
    return next(step["run"] for step in YAML["GitHub Actions, without a container"]["jobs"]["test"]["steps"][2:])


def gitlab_commands():
    return "\n".join(YAML["GitLab, without a container"]["test"]["before_script"][1:])


@pytest.mark.parametrize("commands", [github_commands, gitlab_commands])
def test_commands_start_an_environment_and_wait_for_it(commands, tmp_path):
    """On other ports than the documented ones, which another environment may have."""
    script = commands().replace("mailstack dev", f"mailstack dev --port-base {PORT_BASE}")
    with Job(script.replace("8025", str(PORT_BASE + 7025)), tmp_path):
        url = f"http://127.0.0.1:{PORT_BASE + 7025}"
        assert sent_and_found(PORT_BASE + 25, url)


def test_an_environment_on_free_ports(tmp_path):
    with Job(BLOCKS["Without a fixed port"][0][1] + "\necho $SMTP_PORT", tmp_path) as said:
        facts = json.loads((tmp_path / "mailstack.json").read_text().split("\n")[0])
        assert int(said) == facts["services"]["capture"]["port"]
        assert sent_and_found(int(said), facts["web"].rstrip("/"))


def test_the_command_of_a_failed_job_exists():
    assert YAML["GitHub Actions, without a container"]["jobs"]["test"]["steps"][-1]["run"] == "mailstack letters"
    assert "letters" in main.list_commands(None)


class Job:
    """Runs a script with bash, and ends the environment that it has left in the background."""

    def __init__(self, script, folder):
        path = folder / "bin"
        path.mkdir()
        command = path / "mailstack"
        command.write_text(f'#!/bin/sh\necho $$ > {folder}/pid\nexec {sys.executable} -m mailstack "$@"\n')
        command.chmod(0o755)
        self._folder, self._script = folder, script
        self._environ = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "HOME": str(folder)}

    def __enter__(self):
        return subprocess.run(
            ["bash", "-euc", self._script],
            cwd=self._folder,
            env=self._environ,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
        ).stdout

    def __exit__(self, *_):
        pid = int((self._folder / "pid").read_text())
        process = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        ended, _, _ = select.select([process], [], [], 30)
        os.close(process)
        assert ended, "the environment goes on after SIGTERM"


def sent_and_found(port, url):
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("app@shop.example", ["bob@home.test"], "Subject: From CI\r\n\r\nHello\r\n")
    with urllib.request.urlopen(f"{url}/v1/wait?subject=CI&timeout=20", timeout=30) as response:
        return "From CI" in response.read().decode()
