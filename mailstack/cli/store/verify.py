"""Commands `mailstack store verify` and `stats`: reads, compares and counts stores."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailstack.cli.argument_types import PathType, StoreType
from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.progress import table_progress
from mailstack.cli.store.copy import objects_of, source

if TYPE_CHECKING:
    from mailstack.cli.migrate.verify import Objects


@click.command()
@click.argument("store", type=StoreType(), metavar="STORE")
@click.argument("other", type=StoreType(), metavar="[OTHER]", required=False)
@click.option(
    "-c",
    "--config",
    type=PathType(exists=True, dir_okay=False),
    metavar="FILE",
    help="Also check the contents in the object store of this configuration.",
)
@click.option("--read", is_flag=True, help="With -c: read each object, instead of only its size.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, also for each fault or difference.")
def verify(store: str, other: str | None, config: Path | None, read: bool, as_json: bool) -> None:
    """Verify all rows and contents of a stopped server.

    Each content must have its digest from acceptance, and the pages and indexes of the database must be intact. A
    damaged content is listed with its message and the mailboxes of the message. The exit status is 1 for any fault.

    With OTHER, compare two stores: counts and checksums of each table and each content. `mailstack store copy` does this
    itself.

    With -c, each object in the object store must exist and have the size of its message. With --read, its octets are also
    read and must match the digest in its name. Two stores are then compared by the octets of their objects.

    \b
    Example:
      mailstack store verify /var/lib/mailstack
      mailstack store verify postgresql://mailstack@db.example.org/mailstack -c /etc/mailstack/mailstack.toml --read
      mailstack store verify /var/lib/mailstack postgresql://mailstack@db.example.org/mailstack
    """
    if read and config is None:
        raise click.UsageError("--read requires -c FILE, which names the object store.")
    with objects_of(config) as objects:
        if other is None:
            _verify_one(store, objects, read=read, as_json=as_json)
        else:
            _compare(store, other, objects, as_json=as_json)


def _verify_one(name: str, objects: Objects | None, *, read: bool, as_json: bool) -> None:
    from mailstack.cli.migrate.verify import faults, named_objects

    count = 0
    with source(name) as store, table_progress(as_json=as_json) as on_progress:
        for fault in faults(store, on_progress, objects, read_objects=read):
            count += 1
            _print_fault(fault, as_json=as_json)
        unread = 0 if objects is not None else sum(1 for _ in named_objects(store))
    if count:
        raise CommandError(f"{name} is damaged: {count} faults, listed above")
    if not as_json:
        click.echo(f"{store.name}: all rows and contents are intact")
        if unread:
            click.echo(
                f"{unread} contents are in an object store, and were not checked; name its configuration with -c FILE"
            )


def _print_fault(fault: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"step": "fault", "fault": fault})
    else:
        click.echo(fault)


def _compare(name: str, other: str, objects: Objects | None, *, as_json: bool) -> None:
    from mailstack.cli.migrate.dump import sums

    damaged: list[str] = []

    def note(store: str, fault: str) -> None:
        damaged.append(fault)
        _print_fault(f"{store}: {fault}", as_json=as_json)

    with source(name, objects) as here, source(other, objects) as there, table_progress(as_json=as_json) as on_progress:
        first = sums(here, "read", on_progress, partial(note, here.name))
        second = sums(there, "compared", on_progress, partial(note, there.name))
    rows = [(table, first[table].rows, second[table].rows) for table in first if first[table] != second[table]]
    if as_json:
        for table, *counts in rows:
            print_json({"step": "different", "table": table, "rows": counts})
    elif rows:
        print_table(("table", "rows here", "rows there"), [tuple(map(str, row)) for row in rows])
    if rows or damaged:
        raise CommandError(f"{len(rows)} tables differ, and {len(damaged)} contents are damaged")
    if not as_json:
        click.echo("both stores are equal")


@click.command()
@click.argument("store", type=StoreType(), metavar="STORE")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: table, rows.")
def stats(store: str, as_json: bool) -> None:
    """Count the rows of each table of a stopped server.

    \b
    Example:
      mailstack store stats /var/lib/mailstack
    """
    from mailstack.store.schema import tables

    with source(store) as endpoint:
        counts = [(table.name, endpoint.count(table)) for table in tables()]
    if as_json:
        for name, count in counts:
            print_json({"table": name, "rows": count})
        return
    print_table(("table", "rows"), [(name, str(count)) for name, count in counts])
