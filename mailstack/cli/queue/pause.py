"""`mailstack queue pause` and `resume`: everything outward stops, or everything for one destination."""

from __future__ import annotations

import click

from mailstack.cli.errors import CommandError
from mailstack.cli.queue.resume import release_held
from mailstack.cli.queue.selection import DOMAINS
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, at_place
from mailstack.store import Conflict
from mailstack.store.hold_rules import HoldRule


@click.command()
@click.argument("destination", type=DOMAINS, default="*")
@at_place
def pause(place: TargetServer, destination: str) -> None:
    """Stop everything outward, or everything for DESTINATION (a domain, or *.domain).

    Letters are taken as before, and those for mailboxes here reach them. What would leave is held, until `resume`;
    `mailstack queue release` lets single letters go. Attempts under way end as they may.

    \b
    Example:
      mailstack queue pause
      mailstack queue pause elsewhere.test
    """
    new = HoldRule(_name(destination), "pause", domain=destination, created=place.now())
    with OpenStore(place) as server:
        if new.name in {each.name for each in server.run(server.store.hold_rules.load()).rules}:
            raise CommandError(f"{_what(destination)} is paused already; `mailstack queue resume` takes that back")
        try:
            server.run(server.store.hold_rules.add(new))
        except Conflict as conflict:
            raise CommandError(str(conflict)) from conflict
    again = "" if destination == "*" else f" {destination}"
    click.echo(f"{_what(destination)} is paused, until `mailstack queue resume{again}`")


@click.command()
@click.argument("destination", type=DOMAINS, default="*")
@at_place
def resume(place: TargetServer, destination: str) -> None:
    """Take a pause back; what it held goes on at once.

    \b
    Example:
      mailstack queue resume
      mailstack queue resume elsewhere.test
    """
    with OpenStore(place) as server:
        found = [each for each in server.run(server.store.hold_rules.load()).rules if each.name == _name(destination)]
        if not found:
            raise CommandError(f"{_what(destination)} is not paused; `mailstack queue rule list` shows what is")
        server.run(server.store.hold_rules.remove(found[0].name))
        count = release_held(place, server, found[0])
    click.echo(f"{_what(destination)} goes on; released: {count}")


def _name(destination: str) -> str:
    return f"pause:{destination}"


def _what(destination: str) -> str:
    return "everything outward" if destination == "*" else f"everything for {destination}"
