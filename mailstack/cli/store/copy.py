"""Command `mailstack store copy`: restores a dump into a store, named by URL."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailstack.cli.argument_types import PathType, StoreType
from mailstack.cli.migrate import CannotMove, RestoreTarget, StoreEndpoint
from mailstack.cli.output import CommandError, print_json
from mailstack.cli.progress import table_progress
from mailstack.cli.runner import set_owner
from mailstack.cli.target import target_of_config
from mailstack.store import StoreError
from mailstack.store.postgresql import driver

if TYPE_CHECKING:
    from mailstack.cli.migrate.verify import Objects


POSTGRESQL = ("postgresql://", "postgres://")


def is_url(name: str) -> bool:
    """Whether a store is a PostgreSQL URL. Raises CommandError, also if the driver is missing."""
    if "://" in name and not name.startswith(POSTGRESQL):
        raise CommandError(
            f"{name.partition('://')[0]}:// is not a store; give a data directory or a postgresql:// URL"
        )
    if not name.startswith(POSTGRESQL):
        return False
    if (lacking := driver.missing()) is not None:
        raise CommandError(f"PostgreSQL needs {lacking.what}: {lacking.cure}")
    return True


@contextmanager
def source(name: str, objects: Objects | None = None) -> Iterator[StoreEndpoint]:
    """Open a store, locked, with the object store of its contents if that is read too. Raises CommandError."""
    with _refusals(), contextlib.closing(_source(name, objects)) as store:
        yield store


@contextmanager
def target(name: str, objects: Objects | None) -> Iterator[RestoreTarget]:
    """Open an empty store, locked, with an object store for its large contents. Raises CommandError."""
    with _refusals(), contextlib.closing(_target(name, objects)) as store:
        yield store


def _source(name: str, objects: Objects | None) -> StoreEndpoint:
    if is_url(name):
        from mailstack.cli.migrate.database import DatabaseSource

        return DatabaseSource(name, objects)
    from mailstack.cli.migrate.directory import DirectorySource

    return DirectorySource(Path(name), objects)


def _target(name: str, objects: Objects | None) -> RestoreTarget:
    if is_url(name):
        from mailstack.cli.migrate.database import DatabaseTarget

        return DatabaseTarget(name, objects)
    from mailstack.cli.migrate.directory import DirectoryTarget

    return DirectoryTarget(Path(name), objects)


@contextmanager
def objects_of(config: Path | None) -> Iterator[Objects | None]:
    """Open the object store of a configuration; None without one. Raises CommandError."""
    if config is None:
        yield None
        return
    settings = target_of_config(config).settings
    assert settings is not None
    if not settings.contents.bucket:
        raise CommandError(f"{config} names no object store: it has no [contents] bucket")
    from mailstack.cli.migrate.verify import Objects
    from mailstack.server.wiring.store import place_of

    with _refusals(), contextlib.closing(Objects(place_of(settings))) as objects:
        yield objects


@contextmanager
def _refusals() -> Iterator[None]:
    """Raises errors of a store as CommandError."""
    try:
        yield
    except (CannotMove, StoreError, OSError) as error:
        raise CommandError(str(error)) from error


@click.command()
@click.argument("from_", type=StoreType(), metavar="FROM")
@click.argument("to", type=StoreType(), metavar="TO")
@click.option(
    "--objects-from",
    type=PathType(exists=True, dir_okay=False),
    metavar="FILE",
    help="Also copy the contents in the object store of this configuration.",
)
@click.option(
    "--objects-to",
    type=PathType(exists=True, dir_okay=False),
    metavar="FILE",
    help="Write large contents to the object store of this configuration.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each step; the last is a summary.")
def copy(from_: str, to: str, objects_from: Path | None, objects_to: Path | None, as_json: bool) -> None:
    """Copy the store FROM into the empty store TO, and verify the copy.

    A store is a data directory or a postgresql:// URL. The server of FROM must be stopped; FROM is not changed. Messages
    keep their ids and mailboxes their UIDs, so that mail clients see no message twice. The complete copy is compared with
    FROM before it becomes visible in TO. An interrupted copy leaves TO empty: repeat the command.

    A content that is damaged in FROM is listed and not copied; the exit status is then 1. Its message stays unreadable
    for mail clients and held in the queue.

    Contents in an object store stay there, and the server still needs its [contents]. With --objects-from they are
    copied to the files or rows of TO, or to the object store of --objects-to. The old object store is not changed.

    \b
    Example:
      mailstack store copy /var/lib/mailstack postgresql://mailstack@db.example.org/mailstack
      mailstack store copy postgresql://mailstack@db.example.org/mailstack /var/lib/mailstack
    """
    from mailstack.cli.migrate.verify import named_objects

    if from_ == to:
        raise click.UsageError("FROM and TO are the same store.")
    directories = None if is_url(from_) or is_url(to) else (Path(from_), Path(to))
    with (
        objects_of(objects_from) as old,
        objects_of(objects_to) as new,
        source(from_, old) as here,
        target(to, new) as there,
    ):
        if new is not None and old is None and next(named_objects(here), None) is not None:
            raise CommandError(
                f"contents of {here.name} are in an object store; name its configuration with --objects-from"
            )
        _check_database(here)
        damaged = _copy(here, there, as_json=as_json)
        staying = sum(1 for _ in named_objects(there)) if new is None else 0
        files = _copy_data_files(*directories) if directories else []
        if not is_url(to) and os.geteuid() == 0:
            _set_owner(Path(to), directories and directories[0])
        there.commit()
    _report(here, there, directories is not None, files, staying, damaged, as_json=as_json)


def _copy(source: StoreEndpoint, target: RestoreTarget, *, as_json: bool) -> list[str]:
    """Return the damaged contents. Raises CommandError for a copy that differs."""
    from mailstack.cli.migrate.dump import restore, sums

    damaged: list[str] = []
    with table_progress(as_json=as_json) as on_progress:
        before = restore(source, target, on_progress, damaged.append)
        after = sums(target, "compared", on_progress, lambda _: None)
    if different := [table for table in before if before[table] != after[table]]:
        raise CommandError(
            f"the copy differs in: {', '.join(different)}. A disk is faulty, or {source.name} was changed meanwhile;"
            f" {target.name} is still empty"
        )
    return damaged


def _check_database(source: StoreEndpoint) -> None:
    """Raises CommandError for a database with damaged indexes or pages: its copy would lack rows silently."""
    if faults := list(source.integrity()):
        raise CommandError(
            f"{source.name} is damaged, and was not copied; the first of {len(faults)} faults: {faults[0]}."
            " `mailstack store verify` lists all; see docs/howto/rescue-letters.md"
        )


def _copy_data_files(source: Path, target: Path) -> list[str]:
    import sqlite3

    from mailstack.cli.migrate.directory import copy_belongings

    try:
        return [str(path) for path in copy_belongings(source, target)]
    except sqlite3.Error as error:
        raise CommandError(
            f"the index of {source} cannot be copied: {error}; remove it, and the server rebuilds it"
        ) from error


def _set_owner(to: Path, from_: Path | None) -> None:
    """Gives a new directory to the owner of the old one: a server can't write files of root."""
    if from_ is not None and to.stat().st_uid == 0:
        os.chown(to, from_.stat().st_uid, from_.stat().st_gid)
    set_owner(to, to.rglob("*"))


def _report(
    source: StoreEndpoint,
    target: StoreEndpoint,
    has_data_files: bool,
    files: Sequence[str],
    staying: int,
    damaged: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Print what was copied and what was not. Raises CommandError for damaged contents."""
    for fault in damaged:
        if as_json:
            print_json({"step": "fault", "fault": fault})
        else:
            click.echo(f"not copied: {fault}", err=True)
    if as_json:
        result = {"from": source.name, "to": target.name, "files": files, "objects": staying, "damaged": len(damaged)}
        print_json({"step": "done", **result})
    else:
        click.echo(f"copied and compared: {source.name} to {target.name}. Never start a server on {source.name} again")
        if files:
            click.echo(f"also copied: {', '.join(files)}")
        elif not has_data_files:
            click.echo("keys, certificates and the index stay in the `data` directory: the server still needs it")
        if staying:
            click.echo(
                f"{staying} contents stay in the object store: keep [contents], or copy them with --objects-from"
            )
    if damaged:
        raise CommandError(
            f"{len(damaged)} contents are damaged in {source.name}, and missing in the copy; they are listed above"
        )
