"""Target server of a command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailstack.cli import main, registry
from mailstack.cli.output import CommandError
from mailstack.cli.target import DATABASE, target_of_config, target_of_dev
from tests.cli.conftest import refusal


def test_a_configuration_names_its_data_and_domains(config: Path, tmp_path: Path) -> None:
    target = target_of_config(config)
    assert (target.data, target.domains, target.bcrypt_rounds) == (tmp_path / "data", ("home.test", "other.test"), 4)


def test_the_first_of_many_errors_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('hostnam = "x"\nrelay = 7\n')
    with pytest.raises(CommandError) as refused:
        target_of_config(file)
    assert f"{file}:1" in refused.value.message
    assert "mailstack check" in refused.value.message


def test_the_only_dev_environment_is_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry.register(tmp_path, {"domains": ["home.test"], "services": {}})
    target = target_of_dev(None)
    assert (target.data, target.domains, target.config) == (tmp_path, ("home.test",), None)
    assert capsys.readouterr().err == ""
    registry.unregister()


def put(tmp_path: Path, pid: int, data: Path, *, port: int, folder: Path) -> None:
    directory = tmp_path / "runtime" / "mailstack"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = {"services": {"submission": {"host": "127.0.0.1", "port": port}}}
    entry = {"pid": pid, "data": str(data), "folder": str(folder), "config": facts}
    (directory / f"{pid}.json").write_text(json.dumps(entry))


@pytest.mark.parametrize(
    ("port", "folder", "reason"),
    [(1587, Path("/"), "on the default ports"), (4587, Path.cwd(), "started in this folder")],
)
def test_of_several_dev_environments_one_is_chosen_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], port: int, folder: Path, reason: str
) -> None:
    put(tmp_path, os.getppid(), tmp_path / "chosen", port=port, folder=folder)
    put(tmp_path, os.getpid(), tmp_path / "newer", port=5587, folder=Path("/"))
    assert target_of_dev(None).data == tmp_path / "chosen"
    said = capsys.readouterr().err
    assert reason in said
    assert str(tmp_path / "chosen") in said


def test_several_dev_environments_elsewhere_are_refused(tmp_path: Path) -> None:
    put(tmp_path, os.getppid(), tmp_path / "one", port=4587, folder=Path("/"))
    put(tmp_path, os.getpid(), tmp_path / "two", port=5587, folder=Path("/"))
    with pytest.raises(CommandError, match=r"--data DIR: .*one"):
        target_of_dev(None)


def test_a_dev_environment_that_does_not_run_can_be_named_by_its_directory(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    assert target_of_dev(tmp_path).data == tmp_path


def test_a_directory_without_a_dev_environment_is_an_error(tmp_path: Path) -> None:
    for variable in (None, str(tmp_path)):
        arguments = ["letters"] if variable else ["letters", "--data", str(tmp_path)]
        result = refusal(CliRunner().invoke(main, arguments, env={"MAILSTACK_DATA": variable}))
        assert f"there is no dev environment in {tmp_path}" in result
        assert f"`mailstack dev --data {tmp_path}`" in result
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [None, Path("/nowhere/at/all")])
def test_without_any_the_refusal_says_what_to_do(data: Path | None) -> None:
    with pytest.raises(CommandError, match="mailstack dev"):
        target_of_dev(data)


def test_two_servers_at_once_are_wrong_usage(config: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["letters", "-c", str(config), "--data", str(tmp_path)])
    assert result.exit_code == 2


def test_the_command_line_goes_before_the_environment(config: Path, tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    arguments = ["user", "list", "--data", str(tmp_path), "--json"]
    assert CliRunner().invoke(main, arguments, env={"MAILSTACK_CONFIG": str(config)}).exit_code == 0
    assert (tmp_path / DATABASE).stat().st_size
    assert not (tmp_path / "data").exists()
