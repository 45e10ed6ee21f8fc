"""`mailstack queue redirect`: letters go to another address instead."""

from __future__ import annotations

import click
from msgspec.structs import replace

from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.queue.actions import Wanted, act, with_wanted
from mailstack.cli.queue.route import router_of
from mailstack.cli.target import TargetServer
from mailstack.letter.delivery import OWED


@click.command()
@with_wanted(*OWED, metavar="[ID...] ADDRESS")
def redirect(place: TargetServer, wanted: Wanted) -> None:
    """Send letters to ADDRESS instead.

    Each recipient that still waits is replaced; one that has the letter keeps it. The sender stays the sender, and
    hears of a failure under the address that he wrote to, as with an alias. The journey tells of it.

    \b
    Example:
      mailstack queue redirect 1kq2v7m4e80c3xz bob@home.test
      mailstack queue redirect --to carl@elsewhere.test carol@elsewhere.test
    """
    if not wanted.ids:
        raise click.UsageError("Give the address that the letters shall go to.")
    target = parse_address(wanted.ids[-1], place.domains)
    wanted = replace(wanted, ids=wanted.ids[:-1])
    act(
        place,
        wanted,
        f"redirect to {target}",
        f"redirected to {target}",
        lambda server, operator, letters: operator.redirect(letters, target, router_of(place, server)),
    )
