"""Which server a command is about."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mailstack.cli import main, registry
from mailstack.cli.output import CommandError
from mailstack.cli.target import target_of_config, target_of_dev


def test_a_configuration_names_its_data_and_domains(config: Path, tmp_path: Path) -> None:
    place = target_of_config(config)
    assert (place.data, place.domains, place.bcrypt_rounds) == (tmp_path / "data", ("home.test", "other.test"), 4)


def test_the_first_of_many_errors_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('hostnam = "x"\nrelay = 7\n')
    with pytest.raises(CommandError) as refused:
        target_of_config(file)
    assert f"{file}:1" in refused.value.message
    assert "mailstack check" in refused.value.message


def test_the_newest_dev_environment_is_the_default(tmp_path: Path) -> None:
    registry.register(tmp_path, {"domains": ["home.test"], "services": {}})
    place = target_of_dev(None)
    assert (place.data, place.domains, place.config) == (tmp_path, ("home.test",), None)
    registry.unregister()


def test_a_dev_environment_that_does_not_run_can_be_named_by_its_directory(tmp_path: Path) -> None:
    assert target_of_dev(tmp_path).data == tmp_path


@pytest.mark.parametrize("data", [None, Path("/nowhere/at/all")])
def test_without_any_the_refusal_says_what_to_do(data: Path | None) -> None:
    with pytest.raises(CommandError, match="mailstack dev"):
        target_of_dev(data)


def test_two_servers_at_once_are_wrong_usage(config: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["letters", "-c", str(config), "--data", str(tmp_path)])
    assert result.exit_code == 2


def test_the_command_line_goes_before_the_environment(config: Path, tmp_path: Path) -> None:
    arguments = ["user", "list", "--data", str(tmp_path), "--json"]
    result = CliRunner().invoke(main, arguments, env={"MAILSTACK_CONFIG": str(config)})
    assert result.exit_code == 0
    assert (tmp_path / "mailstack.sqlite3").exists()
    assert not (tmp_path / "data").exists()
