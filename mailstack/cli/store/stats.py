"""`mailstack store stats`: counts the rows of a store."""

from __future__ import annotations

import click

from mailstack.cli.argument_types import StoreType
from mailstack.cli.output import print_json, print_table
from mailstack.cli.store.store_url import source


@click.command()
@click.argument("store", type=StoreType(), metavar="STORE")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: table, rows.")
def stats(store: str, as_json: bool) -> None:
    """Count the rows of each table of a store, while its server is stopped.

    \b
    Example:
      mailstack store stats /var/lib/mailstack
    """
    from mailstack.store.tables import tables

    with source(store) as endpoint:
        counts = [(table.name, endpoint.count(table)) for table in tables()]
    if as_json:
        for name, count in counts:
            print_json({"table": name, "rows": count})
        return
    print_table(("table", "rows"), [(name, str(count)) for name, count in counts])
