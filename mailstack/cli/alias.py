"""Command `mailstack alias`: forwarding addresses."""

from __future__ import annotations

import click

from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.argument_types import local_address
from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target


@click.group()
def alias() -> None:
    """Manage aliases: addresses that forward to other addresses.

    An alias has no password and no mailbox. Its messages go to each of its targets, local or remote. The sender stays the
    same, and gets a bounce if a target refuses. An account may send as the aliases that point to it.
    """


@alias.command()
@click.argument("address")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@with_target
def add(target: TargetServer, address: str, targets: tuple[str, ...]) -> None:
    """Add an alias, or add targets to an existing one.

    \b
    Example:
      mailstack alias add postmaster@home.test alice@home.test
      mailstack alias add server@home.test alice bob carol@elsewhere.test
    """
    local = local_address(address, target.domains)
    more = [str(parse_address(each, target.domains)) for each in targets]
    if local.key in {parse_address(each, target.domains).key for each in targets}:
        raise CommandError(f"{local.key} cannot be its own target; give the account that gets the messages")
    with OpenStore(target) as server:
        before = server.run(server.store.accounts.alias(local.key)) or ()
        after = list(dict.fromkeys([*before, *more]))
        server.run(server.store.accounts.set_alias(local.key, after))
    click.echo(f"{local.key} leads to {', '.join(after)}")


@alias.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: address, targets.")
@with_target
def list_(target: TargetServer, as_json: bool) -> None:
    """List the aliases.

    \b
    Example:
      mailstack alias list
    """
    with OpenStore(target, only_reads=True) as server:
        aliases = sorted(server.run(server.store.accounts.aliases()))
    if as_json:
        for address, targets in aliases:
            print_json({"address": address, "targets": list(targets)})
        return
    print_table(
        ("alias", "leads to"), [(address, ", ".join(targets)) for address, targets in aliases], empty="no aliases"
    )


@alias.command()
@click.argument("address")
@with_target
def remove(target: TargetServer, address: str) -> None:
    """Remove an alias; messages to it are refused from now on.

    \b
    Example:
      mailstack alias remove server@home.test
    """
    local = parse_address(address, target.domains)
    with OpenStore(target) as server:
        try:
            server.run(server.store.accounts.remove_alias(local.key))
        except KeyError:
            raise CommandError(f"there is no alias {local.key}; `mailstack alias list` lists them") from None
    click.echo(f"{local.key} is removed")
