"""`mailstack store verify`: reads all that a store holds, or compares two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailstack.cli.paths import PathType, StoreType
from mailstack.cli.printing import print_json, print_table
from mailstack.cli.refusal import Refused
from mailstack.cli.store.naming import objects_of, seen_with, source
from mailstack.cli.store.telling import telling
from mailstack.moving import Side

if TYPE_CHECKING:
    from mailstack.moving.objects import Objects


@click.command()
@click.argument("store", type=StoreType(), metavar="STORE")
@click.argument("other", type=StoreType(), metavar="[OTHER]", required=False)
@click.option(
    "-c",
    "--config",
    type=PathType(exists=True, dir_okay=False),
    metavar="FILE",
    help="Look at the objects, too, that the office has in the object store of this configuration.",
)
@click.option("--read", is_flag=True, help="With -c: read each object to its end, and not only ask for its size.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; at the end one for each fault or difference."
)
def verify(store: str, other: str | None, config: Path | None, read: bool, as_json: bool) -> None:
    """Read all rows and contents of a stopped office, and say what is damaged.

    Each content must have the digest that it had when it was accepted, and the database its pages and indexes in order.
    A damaged content is named with its letter, and the mailboxes that this is in.

    With OTHER, compare the two: counts and checksums of each table and each content. `mailstack store copy` does that
    by itself. Exit status 1 when anything is wrong.

    What is in an object store is asked for with -c: is each object there, and as long as the letter was? With --read all of
    it is fetched, and must come to the sum in its name. Two stores are compared by what is in the objects then.

    \b
    Example:
      mailstack store verify /var/lib/mailstack
      mailstack store verify postgresql://mailstack@db.example.org/mailstack -c /etc/mailstack/mailstack.toml --read
      mailstack store verify /var/lib/mailstack postgresql://mailstack@db.example.org/mailstack
    """
    if read and config is None:
        raise click.UsageError("--read needs -c FILE: where are the objects?")
    with objects_of(config) as objects:
        if other is None:
            _verify_one(store, objects, read=read, as_json=as_json)
        else:
            _compare(store, other, objects, as_json=as_json)


def _verify_one(name: str, objects: Objects | None, *, read: bool, as_json: bool) -> None:
    from mailstack.moving.checking import faults, named_objects

    count = 0
    with source(name) as side, telling(as_json=as_json) as say:
        for fault in faults(side, say, objects, read_objects=read):
            count += 1
            _print_fault(fault, as_json=as_json)
        unseen = 0 if objects is not None else sum(1 for _ in named_objects(side))
    if count:
        raise Refused(f"{name}: {count} faults")
    if not as_json:
        click.echo(f"{side.name}: all rows and contents can be read")
        if unseen:
            click.echo(f"{unseen} contents are in an object store, which was not looked at: -c FILE does that")


def _print_fault(fault: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"step": "fault", "fault": fault})
    else:
        click.echo(fault)


def _compare(name: str, other: str, objects: Objects | None, *, as_json: bool) -> None:
    from mailstack.moving.comparing import differences

    damaged = 0

    def note(side: Side, fault: str) -> None:
        nonlocal damaged
        damaged += 1
        _print_fault(f"{side.name}: {fault}", as_json=as_json)

    with source(name) as here, source(other) as there, telling(as_json=as_json) as say:
        different = differences(seen_with(here, objects), seen_with(there, objects), say, note)
    if as_json:
        for each in different:
            print_json({"step": "different", "table": each.table, "rows": [each.here.rows, each.there.rows]})
    elif different:
        rows = [(each.table, str(each.here.rows), str(each.there.rows)) for each in different]
        print_table(("table", "rows here", "rows there"), rows)
    if different or damaged:
        raise Refused(f"{len(different)} tables differ, and {damaged} contents are damaged")
    if not as_json:
        click.echo("both hold the same")
