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
    `store` in the configuration to where it is now, start it. Never start a server on the old store
    again.""",
)
def store() -> None:
    """Move a server to another store, and verify that all is there.

    A store is named by its data directory (an SQLite database with its files), or by a postgresql:// URL. A password
    stands better in PGPASSWORD or ~/.pgpass than in the URL: others on this machine see your command line.
    """
