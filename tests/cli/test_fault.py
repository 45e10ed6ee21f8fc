"""`mailstack fault` and `mailstack clock`, with a dev environment that runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from click.testing import CliRunner, Result

from mailstack.cli import main, registry
from mailstack.cli.dev_run import register
from mailstack.net.log import SilentJournal
from mailstack.sandbox.dev import DevEnvironment, DevSettings
from mailstack.testing.reactor_thread import shared_reactor_thread


@pytest.fixture(scope="module")
def environment() -> Iterator[DevEnvironment]:
    """One that runs."""
    ground = shared_reactor_thread()
    made: list[DevEnvironment] = []

    async def start() -> None:
        made.append(DevEnvironment(ground.reactor, DevSettings(port_base=0), SilentJournal()))
        await made[0].start()

    ground.call(start)
    yield made[0]
    ground.call(made[0].stop)


@pytest.fixture
def found(environment: DevEnvironment) -> Iterator[DevEnvironment]:
    """The same, found as commands find those that run."""
    register(environment)
    yield environment
    registry.unregister()


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), prog_name="mailstack")


def test_faults_are_added_listed_and_ended(found: DevEnvironment) -> None:
    added = run("fault", "add", "at=rcpt", "recipient=*@b.test", "reply=452 4.2.2 mailbox full", "times=2")
    assert (added.exit_code, added.output) == (0, "f1\n")
    assert run("fault", "add", "at=ehlo", 'without=["STARTTLS"]', "id=clear").output == "clear\n"
    (first, _) = [rule for rule, _ in found.faults.list()]
    assert (first.recipient, first.times, first.refusal.code) == ("*@b.test", 2, 452)
    assert "at=rcpt recipient=*@b.test times=2 reply=452 4.2.2 mailbox full" in run("fault", "list").output
    assert json.loads(run("fault", "list", "--json").output.splitlines()[1])["without"] == ["STARTTLS"]
    assert run("fault", "clear", "f1").output == "removed: 1\n"
    assert run("fault", "clear").output == "removed: 1\n"
    assert run("fault", "clear").output == "no faults are active\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [(["at=lunch", "drop=before"], "unknown step"), (["rcpt"], "NAME=VALUE"), (["at=rcpt", "colour=red"], "colour")],
)
@pytest.mark.usefixtures("found")
def test_what_is_no_fault_is_told(words: list[str], why: str) -> None:
    refused = run("fault", "add", *words)
    assert refused.exit_code == 1
    assert why in refused.output


def test_the_clock_is_moved_ahead(found: DevEnvironment) -> None:
    assert "same as this machine" in run("clock", "show").output
    assert "36 h 0 min ahead" in run("clock", "advance", "1d12h").output
    assert 129_590 < json.loads(run("clock", "show", "--json").output)["ahead"] < 129_660
    assert 129_590 < found.travel.ahead < 129_660
    assert "duration" in run("clock", "advance", "soon").output


def test_commands_know_the_time_that_was_moved_ahead(found: DevEnvironment) -> None:
    run("clock", "advance", "5d")
    run("fault", "add", "server=mx.world.test", "at=rcpt", "reply=452 4.2.2 mailbox full", "times=1")
    assert run("send", "--to", "carol@elsewhere.test").exit_code == 0
    run("clock", "advance", "1s")
    waits = run("queue", "list").output
    assert "452 4.2.2 mailbox full" in waits
    assert re.search(r" in [3-6] min ", waits), waits
    assert run("queue", "pause", "elsewhere.test").exit_code == 0
    paused = json.loads(run("queue", "rule", "list", "--json").output)
    assert abs(datetime.fromisoformat(paused["created"]).timestamp() - found.travel.now) < 60
    run("queue", "resume", "elsewhere.test")


def test_without_an_environment_there_is_nothing_to_ask() -> None:
    assert "mailstack dev" in run("fault", "list").output
    assert run("clock", "show").exit_code == 1
