"""Target server of a command: configuration file, or dev environment by HTTP."""

from __future__ import annotations

import functools
import json
import os
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import click
from msgspec import Struct, field

from mailstack.cli import registry
from mailstack.cli.argument_types import PathType
from mailstack.cli.output import CommandError

if TYPE_CHECKING:
    from mailstack.config import Config


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
        """The time there, seconds since 1970: that of a dev environment may have been moved ahead, and where several
        machines share a server it is their database's.
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
    """Give a command -c and --data, and the Place they mean as its first argument."""

    @functools.wraps(command)
    def there(find: Callable[[], TargetServer], **options: Any) -> Any:
        return command(find(), **options)

    return with_target_finder(there)


def with_target_finder(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same, with a function that finds the Place, for a command that may not need one."""

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
        said = {name: ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE for name in ctx.params}
        if said["config"] and said["data"]:
            raise click.UsageError("-c and --data are two different servers; give only one of them.")

        def find() -> TargetServer:
            return target_of_config(config) if config is not None and not said["data"] else target_of_dev(data)

        return command(find, **options)

    return chosen


def target_of_config(file: Path) -> TargetServer:
    """The server of a configuration file; raises CommandError with what is wrong in it."""
    from mailstack.config import ConfigError, load

    try:
        read = load(file, os.environ)
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more: `mailstack check -c {file}`)" if len(error.problems) > 1 else ""
        raise CommandError(f"{error.problems[0]}{more}") from error
    accounts = read.accounts
    return TargetServer(
        read.data,
        tuple(read.domains),
        accounts.bcrypt_rounds,
        accounts.scram_iterations,
        accounts.min_password_length,
        file,
        read,
    )


def target_of_dev(data: Path | None) -> TargetServer:
    """The dev environment in `data`, running or not, or else the newest that runs; raises CommandError."""
    try:
        environments = registry.running()
    except registry.RegistryError as error:
        raise CommandError(str(error)) from error
    for running in environments:
        if data is None or running.data == data.absolute():
            domains = tuple(running.facts.get("domains", DEV_DOMAINS))
            return TargetServer(running.data, domains, facts=running.facts)
    if data is None:
        raise CommandError(
            "no dev environment is running; start one with `mailstack dev`, or give a configuration with -c FILE"
        )
    if not data.is_dir():
        raise CommandError(f"{data} is not a directory; give the directory of `mailstack dev --data`")
    return TargetServer(data.absolute())


PATIENCE = 600.0
"""Seconds; ten years of retries may take a while."""


def ask(target: TargetServer, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What it answers. Raises CommandError, with what it says."""
    web = target.facts.get("web")
    if not web:
        raise CommandError("no dev environment runs here: start one with `mailstack dev`")
    octets = None if body is None else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", **_login(target.facts.get("login"))}
    request = Request(f"{str(web).rstrip('/')}{path}", octets, fields, method=method)  # noqa: S310 - our own environment's
    # It is on this machine: no proxy leads there.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise CommandError(_why(error.read(65536)) or f"{path}: {error.reason}") from None
    except (URLError, OSError, ValueError) as error:
        raise CommandError(f"{web} can't be asked: {getattr(error, 'reason', error)}") from None


def _login(login: Mapping[str, str] | None) -> dict[str, str]:
    """By name and password (RFC 7617)."""
    if not login:
        return {}
    given = b64encode(f"{login['username']}:{login['password']}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


def _why(octets: bytes) -> str:
    try:
        return str(json.loads(octets)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
