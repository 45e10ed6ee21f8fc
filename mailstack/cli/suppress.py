"""Command `mailstack suppress`: remote addresses without delivery."""

from __future__ import annotations

import click

from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.times import iso8601, local_text
from mailstack.store.hold_rules import Suppression

MAX_REASON = 300


@click.group()
def suppress() -> None:
    """Manage remote addresses that get no more messages.

    A message to a suppressed address bounces at once (5.7.1). A running server applies a change within a second. With
    `[relay] suppress_bounced`, addresses that other hosts reject as unknown are added automatically.
    """


@suppress.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--reason", default="the operator suppressed it", metavar="TEXT", help="Reason in the bounce.")
@with_target
def add(target: TargetServer, addresses: tuple[str, ...], reason: str) -> None:
    """Suppress addresses: send no more messages to them.

    \b
    Example:
      mailstack suppress add carol@elsewhere.test --reason "she asked for no more mail"
    """
    if not reason.isprintable() or len(reason) > MAX_REASON:
        raise click.UsageError(f"--reason takes at most {MAX_REASON} printable characters.")
    now = target.now()
    new = [Suppression(parse_address(each, target.domains).key, reason, now) for each in addresses]
    with OpenStore(target) as server:
        count = server.run(server.store.suppressions.add(new))
    click.echo(f"suppressed: {count}")


@suppress.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Maximum number of addresses."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: address, reason, created.")
@with_target
def list_(target: TargetServer, limit: int, as_json: bool) -> None:
    """List the suppressed addresses, newest first.

    \b
    Example:
      mailstack suppress list --json | jq -r .address
    """
    with OpenStore(target, only_reads=True) as server:
        found = server.run(server.store.suppressions.newest(limit))
    if as_json:
        for each in found:
            print_json({"address": each.address, "reason": each.reason, "created": iso8601(each.created)})
        return
    rows = [(each.address, local_text(each.created), each.reason) for each in found]
    print_table(("address", "since", "reason"), rows, empty="no address is suppressed")


@suppress.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@with_target
def remove(target: TargetServer, addresses: tuple[str, ...]) -> None:
    """Send messages to these addresses again.

    \b
    Example:
      mailstack suppress remove carol@elsewhere.test
    """
    with OpenStore(target) as server:
        for each in addresses:
            key = parse_address(each, target.domains).key
            try:
                server.run(server.store.suppressions.remove(key))
            except KeyError:
                raise CommandError(f"{key} is not suppressed; `mailstack suppress list` lists the addresses") from None
            click.echo(f"{key} is no longer suppressed")
