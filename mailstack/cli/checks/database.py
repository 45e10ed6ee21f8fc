"""Checks of a PostgreSQL database: connection, schema and nodes; needs psycopg."""

from __future__ import annotations

import contextlib

import psycopg

from mailstack.cli.checks import Finding, broken, good, warning
from mailstack.config import Config
from mailstack.server.wiring.store import database_address
from mailstack.store import StoreError
from mailstack.store.postgresql import process_leases, schema
from mailstack.store.postgresql.connection import trouble
from mailstack.store.postgresql.database import Database


def check_database(config: Config) -> tuple[list[Finding], bool]:
    """Findings, and whether the tables can be read. Nothing is created or changed."""
    try:
        database = Database(database_address(config), "mailstack check")
        with contextlib.closing(database.watch), contextlib.closing(database.connect()) as connection:
            version = connection.raw.info.server_version
            found = [good("database", f"{database}, PostgreSQL {version // 10000}.{version % 10000}")]
            found += [warning("database", concern) for concern in schema.check(connection)]
            state = schema.state(connection, schema.migrations())
            if state is None:
                return [*found, good("store", "its tables are created at the first start")], False
            owners = process_leases.live_owners(connection)
            found.append(good("nodes", ", ".join(owners) if owners else "none is running"))
            nodes = len({owner.partition("#")[0] for owner in owners})
            if nodes > 1:
                told = f"each of {nodes} nodes counts on its own, so a client that connects to all of them gets {nodes} times the limits"
                found.append(good("limits", told))
            text, is_newest = state
            return [*found, good("store", text)], is_newest
    except psycopg.Error as error:
        return [broken("store", str(trouble(error)))], False
    except StoreError as error:
        return [broken("store", str(error))], False
