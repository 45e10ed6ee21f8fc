"""`mailstack fault` and `mailstack clock`, with a dev environment that runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest
from click.testing import CliRunner, Result

from mailstack.cli import main, registry
from mailstack.cli.dev_run import register
from mailstack.cli.fault_fields import FIELDS
from mailstack.net.log import SilentJournal
from mailstack.sandbox.dev import DevEnvironment, DevSettings
from mailstack.sandbox.faults.rule import STEPS, Fault
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
    assert run("fault", "add", "at=ehlo", "without=SIZE, DSN", "times=1", "probability=0.5").output == "f2\n"
    assert found.faults.list()[2][0].without == ("SIZE", "DSN")
    assert run("fault", "clear", "f2").output == "removed: 1\n"
    (first, _) = [rule for rule, _ in found.faults.list()]
    assert (first.recipient, first.times, first.refusal.code) == ("*@b.test", 2, 452)
    assert "at=rcpt recipient=*@b.test times=2 reply=452 4.2.2 mailbox full" in run("fault", "list").output
    assert json.loads(run("fault", "list", "--json").output.splitlines()[1])["without"] == ["STARTTLS"]
    assert run("fault", "clear", "f1").output == "removed: 1\n"
    unanswered = run("fault", "clear")
    assert unanswered.exit_code == 1
    assert "Remove the only fault?" in unanswered.stderr
    assert "add --yes" in unanswered.stderr
    assert run("fault", "clear", "--yes").output == "removed: 1\n"
    assert run("fault", "clear").output == "no faults are active\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["at=lunch", "drop=before"], "at=lunch: there is no such step; use one of connect, "),
        (["at=rcptt", "drop=before"], "did you mean at=rcpt?"),
        (["at=pop3.lunch", "drop=before"], "unknown step"),
        (["drop=before"], "no step is given; add at=STEP"),
        (["rcpt"], "rcpt: expected NAME=VALUE"),
        (["at=rcpt", "at=mail"], "at= is given twice"),
        (["at=rcpt", "colour=red"], "colour=red: there is no field 'colour'; `mailstack fault add --help`"),
        (["at=rcpt", "time=2"], "did you mean times=?"),
        (["at=rcpt", "times=two"], "times=two: expected a number, such as 2"),
        (["at=rcpt", "probability=nan"], "probability=nan: expected a number, such as 0.5"),
        (["at=rcpt", "drop=never"], "drop=never: expected before or after"),
        (["at=rcpt", "silence=1"], "silence=1: expected true or false"),
        (["at=ehlo", "without=[7]"], "expected words with commas, such as STARTTLS,SIZE"),
        (["at=rcpt", "reply=421"], "mailstack: reply must be a 4xx or 5xx reply"),
        (["at=rcpt"], "mailstack: the rule has no effect: give one of"),
    ],
)
@pytest.mark.usefixtures("found")
def test_an_invalid_fault_is_refused_in_the_words_of_the_command(words: list[str], reason: str) -> None:
    refused = run("fault", "add", *words)
    assert refused.exit_code == 1
    assert reason in refused.output
    assert refused.output.count("\n") == 1


@pytest.mark.usefixtures("found")
def test_an_unknown_id_removes_nothing() -> None:
    assert run("fault", "add", "at=quit", "drop=before", "id=kept").exit_code == 0
    refused = run("fault", "clear", "kept", "f77")
    assert (refused.exit_code, refused.output) == (
        1,
        "mailstack: there is no fault f77; `mailstack fault list` lists them\n",
    )
    assert run("fault", "clear", "kept").output == "removed: 1\n"


def test_the_fields_of_the_command_are_those_of_a_fault() -> None:
    types = get_type_hints(Fault)
    assert set(FIELDS) == set(Fault.__struct_fields__)
    for name, described in FIELDS.items():
        if described.kind == "choice":
            assert {"", *described.value.split("|")} == set(get_args(types[name]))
        kinds = {"integer": 7, "number": 0.5, "flag": True, "list": ("STARTTLS",)}
        if described.kind in kinds:
            assert msgspec.convert(kinds[described.kind], types[name]) == kinds[described.kind]
        if described.kind == "text":
            assert types[name] is str


def test_help_lists_every_field_and_step() -> None:
    shown = run("fault", "add", "--help").output
    for step in STEPS:
        assert re.search(rf"^  {re.escape(step)} |[ .,]{step.rpartition('.')[2]}[, \n]", shown, re.MULTILINE), step
    for name in FIELDS:
        assert f"  {name}=" in shown


def test_the_clock_is_moved_ahead(found: DevEnvironment) -> None:
    assert "same as this machine" in run("clock", "show").output
    assert "36 h 0 min ahead" in run("clock", "advance", "1d12h").output
    assert 129_590 < json.loads(run("clock", "show", "--json").output)["ahead"] < 129_660
    assert 129_590 < found.travel.ahead < 129_660
    assert "mailstack: soon: expected a duration" in run("clock", "advance", "soon").output


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


def test_the_commands_of_the_how_to_add_their_rules(found: DevEnvironment) -> None:
    document = (Path(__file__).parents[2] / "docs/howto/faults.md").read_text()
    commands = [shlex.split(line) for line in re.findall(r"^\$ mailstack (fault add .*)$", document, re.MULTILINE)]
    assert len(commands) >= 4
    found.faults.clear()
    for words in commands:
        result = run(*words)
        assert result.exit_code == 0, result.output
    assert len(found.faults.list()) == len(commands)
    found.faults.clear()
