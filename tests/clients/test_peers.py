"""Clients of Mailpit, MailHog and GreenMail, as they are published: they find here what they look for.

Those of npm are looked for as Node does it, NODE_PATH included; those of PyPI in the Python that MAILSTACK_PEERS_PYTHON names,
since they want versions of their own of much else.
"""

from __future__ import annotations

import json
import os
import shlex
import smtplib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from tests.clients.environment import PATIENCE, SCRIPTS, Environment, need, run

PYTHON = os.environ.get("MAILSTACK_PEERS_PYTHON", sys.executable)


@pytest.fixture(scope="module")
def in_place_of_mailhog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    options = ("--compat", "mailhog", "-smtp-bind-addr", "127.0.0.1:0", "-ui-bind-addr", "127.0.0.1:0")
    with Environment(tmp_path_factory.mktemp("run"), *options) as environment:
        yield environment


@pytest.fixture
def web(running: Environment) -> str:
    """The URL of an environment without letters."""
    url = str(running.facts["web"])
    urllib.request.urlopen(urllib.request.Request(f"{url}api/v1/messages", method="DELETE"), timeout=PATIENCE)
    return url


@pytest.fixture
def letter(web: str, running: Environment) -> str:
    """The same, with one letter."""
    send(running)
    return web


def send(environment: Environment) -> None:
    """One letter from alice to bob and carol."""
    with smtplib.SMTP("127.0.0.1", environment.port("capture"), timeout=PATIENCE) as client:
        client.sendmail("alice@home.test", ["bob@home.test", "carol@elsewhere.test"], _letter())


def _letter() -> bytes:
    made = EmailMessage()
    made["From"] = "Alice <alice@home.test>"
    made["To"] = "bob@home.test, carol@elsewhere.test"
    made["Subject"] = "Grüße"
    made["Date"] = "Thu, 26 Nov 2026 22:41:22 +0100"
    made["Message-ID"] = "<1@home.test>"
    made.set_content("Hällo")
    made.add_alternative("<p>Hällo</p>", subtype="html")
    return made.as_bytes(policy=SMTP)


def node(script: str, package: str, *arguments: str) -> None:
    need("node")
    # NODE_PATH is not looked at from the script's own folder.
    found = subprocess.run(["node", "-e", f"require({package!r})"], check=False, capture_output=True, timeout=PATIENCE)
    if found.returncode:
        pytest.skip(f"the npm package {package} is not installed (NODE_PATH says where to look)")
    run(f"node {SCRIPTS / script} {shlex.join(arguments)}")


def python(package: str, *arguments: str) -> None:
    found = subprocess.run([PYTHON, "-c", f"import {package}"], check=False, capture_output=True, timeout=PATIENCE)
    if found.returncode:
        pytest.skip(f"the Python package {package} is not installed (MAILSTACK_PEERS_PYTHON says where to look)")
    run(f"{PYTHON} {shlex.join(arguments)}", environ={"PYTHONPATH": ""})


def test_npm_mailpit_api(web: str) -> None:
    node("mailpit_api.cjs", "mailpit-api", web)


def test_npm_mailhog(in_place_of_mailhog: Environment) -> None:
    send(in_place_of_mailhog)
    node("mailhog.cjs", "mailhog", str(in_place_of_mailhog.port("web")))


def test_pypi_mailpit_api_client(letter: str) -> None:
    python("mailpit.client.api", str(SCRIPTS / "mailpit_api_client.py"), letter)


def test_pypi_pytest_mailpit(web: str, running: Environment) -> None:
    tests = SCRIPTS / "pytest_mailpit_tests.py"
    smtp = f"127.0.0.1:{running.port('capture')}"
    given = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--noconftest",
        "-c",
        os.devnull,
        "--rootdir",
        str(SCRIPTS),
    ]
    python("pytest_mailpit", *given, "--mailpit-url", web, "-o", f"mailpit_smtp={smtp}", "-W", "error", str(tests))


def test_what_cypress_mailpit_calls(letter: str) -> None:
    """Its commands ask so; Cypress itself is not needed for that."""

    def ask(path: str) -> str:
        with urllib.request.urlopen(f"{letter}{path}", timeout=PATIENCE) as answer:
            return answer.read().decode()  # type: ignore[no-any-return]

    (message,) = json.loads(ask("api/v1/messages?start=0&limit=50"))["messages"]
    assert json.loads(ask("api/v1/message/latest"))["ID"] == message["ID"]
    assert json.loads(ask("api/v1/search?query=to%3Abob%40home.test&start=0&limit=50"))["messages_count"] == 1
    assert "<p>Hällo</p>" in ask(f"view/{message['ID']}.html")
    assert "Hällo" in ask(f"view/{message['ID']}.txt")
