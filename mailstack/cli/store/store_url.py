"""Names of stores on the command line: a data directory, or a postgresql:// URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mailstack.cli.migrate import CannotMove, RestoreTarget, StoreEndpoint
from mailstack.cli.output import CommandError
from mailstack.cli.target import target_of_config
from mailstack.store import StoreError
from mailstack.store.postgresql import driver

if TYPE_CHECKING:
    from mailstack.cli.migrate.objects import Objects

POSTGRESQL = ("postgresql://", "postgres://")


def is_url(name: str) -> bool:
    """Return whether a name is a URL of PostgreSQL. Raises CommandError, also where its driver is missing."""
    if "://" in name and not name.startswith(POSTGRESQL):
        raise CommandError(
            f"{name.partition('://')[0]}:// names no store; give a data directory, or a postgresql:// URL"
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
    from mailstack.cli.migrate.objects import Objects
    from mailstack.server.wiring.store import place_of

    with _refusals(), contextlib.closing(Objects(place_of(settings))) as objects:
        yield objects


@contextmanager
def _refusals() -> Iterator[None]:
    """Raises errors of a store as Refused."""
    try:
        yield
    except (CannotMove, StoreError, OSError) as error:
        raise CommandError(str(error)) from error
