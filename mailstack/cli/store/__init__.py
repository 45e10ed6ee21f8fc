"""`mailstack store`: copies, verifies and counts a whole store."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "copy": ("mailstack.cli.store.copy:copy", "Copy a store into another one, and verify the copy."),
    "verify": ("mailstack.cli.store.verify:verify", "Read a whole store, or compare two."),
    "stats": ("mailstack.cli.store.verify:stats", "Count the rows of a store."),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    epilog="""A move: stop the server, `mailstack store copy /var/lib/mailstack postgresql://mail@db/mailstack`, set
    `store` in the configuration to the new URL, start the server. Never start a server on the old store
    again.""",
)
def store() -> None:
    """Copy the store of a server to another one, verify a store, count its rows.

    A store is a data directory (an SQLite database with its files), or a postgresql:// URL. Put its password into
    PGPASSWORD or ~/.pgpass: other users of this machine can see the URL in your command line.
    """
