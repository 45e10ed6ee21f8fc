"""`mailstack store`: what keeps an office, as a whole; a file for each command."""

from __future__ import annotations

import click

from mailstack.cli.lazy import LazyGroup

COMMANDS = {
    "copy": ("mailstack.cli.store.copying:copy", "Copy a stopped office into another store, and verify the copy."),
    "verify": ("mailstack.cli.store.verifying:verify", "Read all of a store; or compare two, row by row."),
    "stats": ("mailstack.cli.store.counting:stats", "Count what a stopped office holds."),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    epilog="""A move: stop the office, `mailstack store copy /var/lib/mailstack postgresql://mail@db/mailstack`, set
    `store` in the configuration to where it is now, start it. Never start the one that was copied again.""",
)
def store() -> None:
    """Move an office to another store, and see whether all is there.

    A store is named by its data directory (an SQLite database with its files), or by a postgresql:// URL. A password
    stands better in PGPASSWORD or ~/.pgpass than in the URL: others on this machine see your command line.
    """
