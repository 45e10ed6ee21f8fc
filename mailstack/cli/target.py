"""Target server of a command: configuration file, or dev environment by HTTP."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct, field

from mailstack.cli import registry
from mailstack.cli.argument_types import PathType
from mailstack.cli.output import CommandError

if TYPE_CHECKING:
    from mailstack.config import Config


DATABASE = "mailstack.sqlite3"
"""File in the data directory of every dev environment (`mailstack.store.sqlite.store.DATABASE`)."""

DEV_DOMAINS = ("home.test",)
DEV_BCRYPT_ROUNDS = 4
"""Bcrypt rounds in a dev environment, which has public passwords."""

DEV_SCRAM_ITERATIONS = 4096
"""Minimum SCRAM iterations of RFC 7677 §4."""


class ClockOffset:
    """Seconds that the clock of a server is ahead of this machine, known once its store is open."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


class TargetServer(Struct, frozen=True):
    """Server that a command acts on."""

    data: Path
    domains: tuple[str, ...] = DEV_DOMAINS
    bcrypt_rounds: int = DEV_BCRYPT_ROUNDS
    scram_iterations: int = DEV_SCRAM_ITERATIONS
    min_password_length: int | None = None
    """Minimum characters of a new password; None in a dev environment, which accepts any."""
    config: Path | None = None
    """Path of the configuration file; None in a dev environment."""
    settings: Config | None = None
    """Parsed configuration; None in a dev environment, which has the defaults."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Registry entry of a running dev environment (`mailstack.cli.registry`)."""

    ahead: ClockOffset = field(default_factory=ClockOffset)

    def now(self) -> float:
        """Time of the server, in seconds since 1970.

        The clock of a dev environment may be ahead. Several machines of one server use the clock of the database.
        """
        return time.time() + self.ahead.seconds + float(self.facts.get("ahead", 0.0))


config_file = click.option(
    "-c",
    "--config",
    "file",
    metavar="FILE",
    type=PathType(),
    envvar="MAILSTACK_CONFIG",
    required=True,
    help="Configuration file (or MAILSTACK_CONFIG).",
)
"""Required option -c, for commands that need a configuration file."""


def has_database(target: TargetServer) -> bool:
    """Whether the server uses a PostgreSQL database."""
    return target.settings is not None and bool(target.settings.store.url)


def with_target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command -c and --data, and the TargetServer as its first argument."""

    @functools.wraps(command)
    def with_server(find: Callable[[], TargetServer], **options: Any) -> Any:
        return command(find(), **options)

    return with_target_finder(with_server)


def with_target_finder(command: Callable[..., Any]) -> Callable[..., Any]:
    """Like `with_target`, with a function that finds the TargetServer, for a command that may not need it."""

    @click.option(
        "-c",
        "--config",
        metavar="FILE",
        type=PathType(),
        envvar="MAILSTACK_CONFIG",
        help="Use the server of this configuration file (or MAILSTACK_CONFIG).",
    )
    @click.option(
        "--data",
        metavar="DIR",
        type=PathType(),
        envvar="MAILSTACK_DATA",
        help="Use the dev environment in this directory (or MAILSTACK_DATA).",
    )
    @click.pass_context
    @functools.wraps(command)
    def chosen(ctx: click.Context, /, config: Path | None, data: Path | None, **options: Any) -> Any:
        explicit = {
            name: ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE for name in ctx.params
        }
        if explicit["config"] and explicit["data"]:
            raise click.UsageError("-c and --data name two servers; give only one of them.")

        def find() -> TargetServer:
            return target_of_config(config) if config is not None and not explicit["data"] else target_of_dev(data)

        return command(find, **options)

    return chosen


def target_of_config(file: Path) -> TargetServer:
    """Server of a configuration file. Raises CommandError with its first problem."""
    from mailstack.config import ConfigError, load

    try:
        settings = load(file, os.environ)
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more: `mailstack check -c {file}`)" if len(error.problems) > 1 else ""
        raise CommandError(f"{error.problems[0]}{more}") from error
    accounts = settings.accounts
    return TargetServer(
        settings.data,
        tuple(settings.domains),
        accounts.bcrypt_rounds,
        accounts.scram_iterations,
        accounts.min_password_length,
        file,
        settings,
    )


def target_of_dev(data: Path | None) -> TargetServer:
    """Dev environment in `data`, running or not; without `data`, the running environment. Raises CommandError."""
    try:
        environments = registry.running()
    except registry.RegistryError as error:
        raise CommandError(str(error)) from error
    if data is not None:
        found = next((each for each in environments if each.data == data.absolute()), None)
        if found is not None:
            return _target_of(found)
        if not data.is_dir():
            raise CommandError(f"{data} is not a directory; give the directory of `mailstack dev --data`")
        if not (data / DATABASE).exists():
            raise CommandError(
                f"there is no dev environment in {data}: it has no {DATABASE}; start one with `mailstack dev --data {data}`"
            )
        return TargetServer(data.absolute())
    if not environments:
        raise CommandError(
            "no dev environment is running; start one with `mailstack dev`, or give a configuration with -c FILE"
        )
    return _target_of(environments[0] if len(environments) == 1 else _default_of(environments))


def _target_of(running: registry.Running) -> TargetServer:
    return TargetServer(running.data, tuple(running.facts.get("domains", DEV_DOMAINS)), facts=running.facts)


def _default_of(environments: Sequence[registry.Running]) -> registry.Running:
    """Environment on the default ports, else the newest of this folder; names it on standard error. Raises CommandError."""
    here = next((each for each in environments if each.folder == Path.cwd()), None)
    if found := next((each for each in environments if each.has_default_ports()), here):
        where = "on the default ports" if found.has_default_ports() else "started in this folder"
        click.echo(
            f"mailstack: using the dev environment {where} ({found.data}), one of {len(environments)};"
            " choose another with --data DIR",
            err=True,
        )
        return found
    directories = ", ".join(str(each.data) for each in environments)
    raise CommandError(f"{len(environments)} dev environments are running; choose one with --data DIR: {directories}")
