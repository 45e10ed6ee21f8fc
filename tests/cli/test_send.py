"""`mailstack send` and what follows, on a real dev environment in a process of its own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailstack.net.certificates import private_ca
from tests.journeys.dev import DevProcess
from tests.journeys.process import run


class Dev(DevProcess):
    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return run(*arguments, environ=self.environ, text=text)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with Dev(tmp_path_factory.mktemp("dev")) as dev:
        yield dev


@pytest.fixture
def sent(dev: Dev) -> Callable[..., str]:
    """Sends a letter, and gives its id."""

    def send(*arguments: str, text: str = "") -> str:
        done = dev.run("send", "--json", *arguments, text=text)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["id"])

    return send


def test_a_letter_goes_to_both_worlds_and_its_journey_is_told(dev: Dev, sent: Callable[..., str]) -> None:
    letter = sent("--to", "bob@home.test", "--to", "carol@elsewhere.test", "--subject", "Hello", "--body", "Hi")
    followed = dev.run("journey", letter, "--follow")
    assert followed.returncode == 0, followed.stderr
    told = json.loads(dev.run("journey", letter, "--json").stdout)
    assert len({step["server"] for step in told["steps"]}) == 2
    steps = [step["step"] for step in told["steps"]]
    assert {"submitted", "routed", "relayed", "exchanged", "delivered"} <= set(steps)
    assert steps.count("delivered") == 2
    assert "carol@elsewhere.test" in followed.stdout


def test_its_reader_collects_it_and_the_journey_knows(dev: Dev, sent: Callable[..., str]) -> None:
    letter = sent("--to", "dave@elsewhere.test", "--subject", "For Dave", "--body", ".\n..\n")
    assert dev.run("journey", letter, "--follow").returncode == 0
    drop = dev.reader("dave@elsewhere.test")
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


def test_a_server_on_all_addresses_is_reached_by_loopback(tmp_path: Path) -> None:
    """As in a container: the certificate has 127.0.0.1, and not 0.0.0.0."""
    with Dev(tmp_path, "--host", "0.0.0.0") as dev:
        assert dev.at("submission")[0] == "0.0.0.0"
        done = dev.run("send", "--to", "bob@home.test")
    assert done.returncode == 0, done.stderr


def test_without_tls_the_capture_port_takes_anything(dev: Dev) -> None:
    host, port = dev.at("capture")
    arguments = ("--server", f"{host}:{port}", "--tls", "none", "--from", "app@example.com", "--to", "x@example.org")
    done = dev.run("send", *arguments, "-v")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("250 2.0.0 ")
    assert "C: MAIL FROM:<app@example.com>" in done.stderr


def test_a_whole_letter_is_sent_to_those_in_its_header(dev: Dev, sent: Callable[..., str]) -> None:
    letter = sent("--file", "-", text="From: alice@home.test\nTo: Bob <bob@home.test>\nSubject: x\n\nHi\n")
    (found,) = [
        line for line in map(json.loads, dev.run("letters", "--json").stdout.splitlines()) if line["id"] == letter
    ]
    assert found["recipients"] == ["bob@home.test"]


def test_a_refused_recipient_is_named_with_the_reply(dev: Dev) -> None:
    done = dev.run("send", "--to", "nobody@home.test", "--to", "bob@home.test")
    assert done.returncode == 1
    assert done.stdout.startswith("250 2.0.0 ")
    assert "nobody@home.test: 550 5.1.1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--user", "bob@home.test", "--password-file", "-"), "535 5.7.8"),
        (("--from", "bob@home.test"), "5.7.1"),
        (("--server", "127.0.0.1:1", "--from", "a@home.test"), "127.0.0.1:1 can't be reached"),
    ],
    ids=["wrong password", "sender of another account", "no server"],
)
def test_a_letter_that_cannot_be_sent_is_refused(dev: Dev, arguments: tuple[str, ...], reason: str) -> None:
    done = dev.run("send", "--to", "bob@home.test", *arguments, text="wrong\n")
    assert done.returncode == 1
    assert reason in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--to", "bob@home.test", "--file", "-", "--subject", "x")])
def test_what_makes_no_letter_is_wrong_usage(dev: Dev, arguments: tuple[str, ...]) -> None:
    assert dev.run("send", *arguments).returncode == 2


def test_a_letter_between_addresses_beyond_ascii(dev: Dev) -> None:
    """UTF8-01, UTF8-03."""
    added = dev.run("user", "add", "grüße@home.test", "--password-file", "-", text="geheim")
    assert added.returncode == 0, added.stderr
    login = ("--user", "GRÜSSE@home.test", "--password-file", "-")
    sent = dev.run("send", *login, "--to", "用户@bücher.test", "--subject", "Grüße", "--json", text="geheim")
    assert sent.returncode == 0, sent.stderr
    told = [json.loads(line) for line in dev.run("letters", "--to", "用户@BÜCHER.test", "--json").stdout.splitlines()]
    assert {each["recipients"][0] for each in told} == {"用户@bücher.test"}
    assert json.loads(sent.stdout)["id"] in {each["id"] for each in told}
