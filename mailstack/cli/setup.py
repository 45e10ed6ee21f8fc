"""Command `mailstack setup`: client settings and instructions for mail clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import asdict

from mailstack.cli import argument_types
from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.target import TargetServer, with_target_finder
from mailstack.config import Config
from mailstack.config.derived import made_by_mailstack, private_ca_directory
from mailstack.config.values import Domain, HostName
from mailstack.letter.times import clean
from mailstack.web.autoconfig.clients import BY_NAME, GUIDES
from mailstack.web.autoconfig.guide import CannotSetUp, ClientServices, as_text, services_at, services_from_config
from mailstack.web.autoconfig.guide import as_json as json_steps

DEV_HOST = "mx.home.test"


class ClientInfo(Struct, frozen=True):
    """Services of a server, and the CA that clients must trust."""

    config: Config
    services: ClientServices
    ca_file: str
    """Path of the CA file that clients must trust; empty for a public CA."""


def client_info_of(target: TargetServer) -> ClientInfo:
    """Raises CommandError."""
    if (config := target.settings) is None:
        return _dev(target)
    ca_file = str(private_ca_directory(config) / "ca.pem") if made_by_mailstack(config) else ""
    return ClientInfo(config, services_from_config(config), ca_file)


def _dev(target: TargetServer) -> ClientInfo:
    """Client settings of a running dev environment, with its ports."""
    services = target.facts.get("services")
    if not isinstance(services, dict):
        raise CommandError(
            f"the dev environment in {target.data} is not running; start it, or name a configuration with -c FILE"
        )
    ports = {name: int(at["port"]) for name, at in services.items()}
    config = Config(
        hostname=HostName(DEV_HOST), data=Path(target.data), domains=tuple(Domain(each) for each in target.domains)
    )
    return ClientInfo(config, services_at("localhost", ports), str(target.facts.get("ca_file", "")))


@click.command()
@click.argument("client", required=False)
@click.argument("address", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document: client, address, services, steps.")
@with_target_finder
def setup(find: Callable[[], TargetServer], client: str | None, address: str | None, as_json: bool) -> None:
    """Show how to set up CLIENT for ADDRESS, with the host, ports and security of this server.

    Without CLIENT, the clients are listed. Nothing is looked up: the account need not exist yet.

    \b
    Example:
      mailstack setup
      mailstack setup thunderbird alice@home.test -c mailstack.toml
    """
    if client is None:
        if as_json:
            for guide in GUIDES:
                print_json({"client": guide.name, "title": guide.title})
        else:
            print_table(("client", "program"), [(guide.name, guide.title) for guide in GUIDES])
            click.echo("\nmailstack setup CLIENT ADDRESS shows the steps.")
        return
    if client not in BY_NAME:
        raise CommandError(f"unknown client {client!r}; choose one of {', '.join(BY_NAME)}")
    if address is None:
        raise click.UsageError("Give the ADDRESS of the account, for example alice@home.test.")
    _print_guide(find(), client, address, as_json)


def _print_guide(target: TargetServer, client: str, address: str, as_json: bool) -> None:
    guide, server = BY_NAME[client], client_info_of(target)
    whole = str(argument_types.local_address(address, target.domains))
    try:
        steps = guide.steps(whole, server.services, server.ca_file)
    except CannotSetUp as error:
        raise CommandError(str(error)) from error
    if as_json:
        services = [{**asdict(each), "security": each.security.value} for each in server.services.all]
        document = {"client": client, "title": guide.title, "address": whole, "services": services}
        print_json({**document, "steps": json_steps(steps)})
    else:
        click.echo(clean_lines(f"{guide.title}, {whole}\n\n{as_text(steps)}"))


def clean_lines(text: str) -> str:
    """Text without unprintable characters."""
    return "\n".join(clean(line) for line in text.rstrip("\n").split("\n"))
