"""`mailstack send` and what follows, on a real dev environment in a process of its own."""

from __future__ import annotations

import json
import os
import poplib
import select
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from mailstack.net.certificates import private_ca

PATIENCE = 30
"""Seconds for anything that a process of ours does."""


@frozen
class Dev:
    facts: dict[str, Any]
    environ: dict[str, str]

    def run(self, *arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
        command = [sys.executable, "-m", "mailstack", *arguments]
        return subprocess.run(
            command, input=input, capture_output=True, text=True, timeout=PATIENCE, env=self.environ, check=False
        )

    def service(self, name: str) -> tuple[str, int]:
        at = self.facts["services"][name]
        return at["host"], at["port"]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    home = tmp_path_factory.mktemp("dev")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAILSTACK_")}
    environ["XDG_RUNTIME_DIR"] = str(home)
    process = subprocess.Popen(
        [sys.executable, "-m", "mailstack", "dev", "--port-base", "0", "--json", "--quiet"],
        stdout=subprocess.PIPE,
        env=environ,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], PATIENCE)[0], "the dev environment did not become ready"
        yield Dev(json.loads(process.stdout.readline()), environ)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.fixture
def sent(dev: Dev) -> Callable[..., str]:
    """Sends a letter, and gives its id."""

    def send(*arguments: str, input: str | None = None) -> str:  # noqa: A002
        done = dev.run("send", "--json", *arguments, input=input)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["id"])

    return send


def test_a_letter_goes_to_both_worlds_and_its_journey_is_told(dev: Dev, sent: Callable[..., str]) -> None:
    letter = sent("--to", "bob@home.test", "--to", "carol@elsewhere.test", "--subject", "Hello", "--body", "Hi")
    followed = dev.run("journey", letter, "--follow")
    assert followed.returncode == 0, followed.stderr
    told = json.loads(dev.run("journey", letter, "--json").stdout)
    servers = {step["server"]: {step["step"] for step in told["steps"]} for step in told["steps"]}
    assert len(servers) == 2
    steps = [step["step"] for step in told["steps"]]
    assert {"submitted", "routed", "relayed", "exchanged", "delivered"} <= set(steps)
    assert steps.count("delivered") == 2
    assert "carol@elsewhere.test" in followed.stdout


def test_its_reader_collects_it_and_the_journey_knows(dev: Dev, sent: Callable[..., str]) -> None:
    letter = sent("--to", "dave@elsewhere.test", "--subject", "For Dave", "--body", ".\n..\n")
    assert dev.run("journey", letter, "--follow").returncode == 0
    host, port = dev.service("pop3s")
    context = ssl.create_default_context(cafile=dev.facts["ca_file"])
    drop = poplib.POP3_SSL(host, port, context=context, timeout=PATIENCE)
    drop.user("dave@elsewhere.test")
    drop.pass_("dave@elsewhere.test")
    _, lines, _ = drop.retr(1)
    drop.quit()
    assert lines[lines.index(b"") + 1 :] == [b".", b".."]
    steps = [step["step"] for step in json.loads(dev.run("journey", letter, "--json").stdout)["steps"]]
    assert "collected" in steps


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_either_way_of_tls_is_verified(dev: Dev, sent: Callable[..., str], tls: str, tmp_path: Path) -> None:
    assert sent("--to", "bob@home.test", "--tls", tls)
    stranger = private_ca(tmp_path / "stranger", "mx.home.test", time.time()).ca
    for ca_file in (stranger, Path(__file__)):
        refused = dev.run("send", "--to", "bob@home.test", "--tls", tls, "--ca-file", str(ca_file))
        assert refused.returncode == 1
        assert refused.stderr.startswith("mailstack: ")
        assert refused.stderr.count("\n") == 1


def test_without_tls_the_capture_port_takes_anything(dev: Dev) -> None:
    host, port = dev.service("capture")
    arguments = ("--server", f"{host}:{port}", "--tls", "none", "--from", "app@example.com", "--to", "x@example.org")
    done = dev.run("send", *arguments, "-v")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("250 2.0.0 ")
    assert "C: MAIL FROM:<app@example.com>" in done.stderr


def test_a_whole_letter_is_sent_to_those_in_its_header(dev: Dev, sent: Callable[..., str]) -> None:
    letter = sent("--file", "-", input="From: alice@home.test\nTo: Bob <bob@home.test>\nSubject: x\n\nHi\n")
    (found,) = [
        line for line in map(json.loads, dev.run("letters", "--json").stdout.splitlines()) if line["id"] == letter
    ]
    assert found["recipients"] == ["bob@home.test"]


def test_a_refused_recipient_is_named_with_the_reply(dev: Dev) -> None:
    done = dev.run("send", "--to", "nobody@home.test", "--to", "bob@home.test")
    assert done.returncode == 1
    assert done.stdout.startswith("250 2.0.0 ")
    assert "nobody@home.test: 550 5.1.1" in done.stderr


def test_a_wrong_password_is_refused(dev: Dev) -> None:
    done = dev.run("send", "--to", "bob@home.test", "--user", "bob@home.test", "--password-file", "-", input="wrong\n")
    assert done.returncode == 1
    assert "535 5.7.8" in done.stderr


def test_a_sender_that_is_not_ones_own_is_refused(dev: Dev) -> None:
    done = dev.run("send", "--to", "bob@home.test", "--from", "bob@home.test")
    assert done.returncode == 1
    assert "5.7.1" in done.stderr


def test_a_server_that_is_not_there_is_named(dev: Dev) -> None:
    done = dev.run("send", "--server", "127.0.0.1:1", "--from", "a@home.test", "--to", "bob@home.test")
    assert done.returncode == 1
    assert "127.0.0.1:1 can't be reached" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--to", "bob@home.test", "--file", "-", "--subject", "x")])
def test_what_makes_no_letter_is_wrong_usage(dev: Dev, arguments: tuple[str, ...]) -> None:
    assert dev.run("send", *arguments, input="").returncode == 2


def test_a_letter_between_addresses_beyond_ascii(dev: Dev) -> None:
    """UTF8-01, UTF8-03."""
    added = dev.run("user", "add", "grüße@home.test", "--password-file", "-", input="geheim")
    assert added.returncode == 0, added.stderr
    login = ("--user", "GRÜSSE@home.test", "--password-file", "-")
    sent = dev.run("send", *login, "--to", "用户@bücher.test", "--subject", "Grüße", "--json", input="geheim")
    assert sent.returncode == 0, sent.stderr
    told = [json.loads(line) for line in dev.run("letters", "--to", "用户@BÜCHER.test", "--json").stdout.splitlines()]
    assert {each["recipients"][0] for each in told} == {"用户@bücher.test"}
    assert json.loads(sent.stdout)["id"] in {each["id"] for each in told}
