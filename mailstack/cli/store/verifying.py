"""`mailstack store verify`: reads all that a store holds, or compares two."""

from __future__ import annotations

import click

from mailstack.cli.printing import print_json, print_table
from mailstack.cli.refusal import Refused
from mailstack.cli.store.naming import source
from mailstack.cli.store.telling import telling


@click.command()
@click.argument("store", metavar="STORE")
@click.argument("other", metavar="[OTHER]", required=False)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; at the end one for each fault or difference."
)
def verify(store: str, other: str | None, as_json: bool) -> None:
    """Read all rows and contents of a stopped office, and say what is damaged.

    With OTHER, compare the two: counts and checksums of each table and each content. `mailstack store copy` does that
    by itself. Exit status 1 when anything is wrong.

    \b
    Example:
      mailstack store verify /var/lib/mailstack
      mailstack store verify /var/lib/mailstack postgresql://mailstack@db.example.org/mailstack
    """
    if other is None:
        _verify_one(store, as_json=as_json)
    else:
        _compare(store, other, as_json=as_json)


def _verify_one(name: str, *, as_json: bool) -> None:
    from mailstack.moving.checking import faults

    count = 0
    with source(name) as side, telling(as_json=as_json) as say:
        for fault in faults(side, say):
            count += 1
            if as_json:
                print_json({"step": "fault", "fault": fault})
            else:
                click.echo(fault)
    if count:
        raise Refused(f"{name}: {count} faults")
    if not as_json:
        click.echo(f"{side.name}: all rows and contents can be read")


def _compare(name: str, other: str, *, as_json: bool) -> None:
    from mailstack.moving.comparing import differences

    with source(name) as here, source(other) as there, telling(as_json=as_json) as say:
        different = differences(here, there, say)
    if as_json:
        for each in different:
            print_json({"step": "different", "table": each.table, "rows": [each.here.rows, each.there.rows]})
    elif different:
        rows = [(each.table, str(each.here.rows), str(each.there.rows)) for each in different]
        print_table(("table", "rows here", "rows there"), rows)
    if different:
        raise Refused(f"{len(different)} tables differ")
    if not as_json:
        click.echo("both hold the same")
