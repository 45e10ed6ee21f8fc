"""Help that teaches, and is there at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from mailstack.cli import COMMANDS, main
from mailstack.cli.lazy_group import LazyGroup
from tests.cli.conftest import refusal


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


ALL = dict(commands(main))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert isinstance(ALL[path], click.Group) or "  Example:\n    " in result.stdout


@pytest.mark.parametrize("path", [path for path in ALL if len(path) == 1], ids=" ".join)
def test_the_line_in_the_list_is_there_for_each_command(path: tuple[str]) -> None:
    assert COMMANDS[path[0]][1] in CliRunner().invoke(main, ["--help"]).stdout


@pytest.mark.parametrize("path", [path for path in ALL if isinstance(ALL[path], click.Group)], ids=" ".join)
def test_no_line_of_a_list_of_commands_is_cut(path: tuple[str, ...]) -> None:
    listed = CliRunner().invoke(main, [*path, "--help"]).stdout.partition("Commands:\n")[2]
    assert listed
    assert "..." not in listed


@pytest.mark.parametrize(
    "line", ["--help", "--version", *(f"{name} --help" for name in ("check", "dkim", "dns", "send", "user"))]
)
def test_help_loads_neither_twisted_nor_a_command(line: str) -> None:
    arguments = line.split()
    libraries = {"twisted", "sqlite3"} if len(arguments) == 2 else {"twisted", "msgspec", "sqlite3"}
    program = (
        "import sys\nfrom mailstack.cli import main\n"
        f"main({arguments!r}, standalone_mode=False, prog_name='mailstack')\n"
        f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & {libraries!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["quue"], "Did you mean `queue`?"), (["queue", "lits"], "Did you mean `list`?"), (["xyzzy"], "")],
)
def test_an_unknown_command_is_wrong_usage(arguments: list[str], hint: str) -> None:
    assert f"No such command '{arguments[-1]}'. {hint}".rstrip() in refusal(CliRunner().invoke(main, arguments), 2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_completes_commands_in_a_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_MAILSTACK_COMPLETE={shell}_complete" in result.stdout
    assert CliRunner().invoke(main, ["completion", "csh"]).exit_code == 2


def test_completion_loads_no_command() -> None:
    group = LazyGroup("group", lazy={"absent": ("absent.module:command", "An absent command.")})
    (completed,) = group.shell_complete(click.Context(group), "ab")
    assert (completed.value, completed.help) == ("absent", "An absent command.")


def test_commands_and_options_are_completed() -> None:
    completion = BashComplete(main, {}, "mailstack", "_MAILSTACK_COMPLETE")
    commands_of_queue = [each.value for each in completion.get_completions(["queue"], "re")]
    assert commands_of_queue == ["release", "retry", "remove", "redirect", "resume"]
    assert "--follow" in [each.value for each in completion.get_completions(["journey"], "--")]
