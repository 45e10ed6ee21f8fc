"""How a command names a store: a data directory, or a URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mailstack.cli.place import of_config
from mailstack.cli.refusal import Refused
from mailstack.moving import CannotMove, Side, Target
from mailstack.store import StoreError
from mailstack.store.postgresql import driver

if TYPE_CHECKING:
    from mailstack.moving.objects import Objects

POSTGRESQL = ("postgresql://", "postgres://")


def is_url(name: str) -> bool:
    """Whether it is one of PostgreSQL, whose driver is here then. Raises Refused."""
    if "://" in name and not name.startswith(POSTGRESQL):
        raise Refused(f"{name.partition('://')[0]}:// names no store; give a data directory, or a postgresql:// URL")
    if not name.startswith(POSTGRESQL):
        return False
    if (lacking := driver.missing()) is not None:
        raise Refused(f"PostgreSQL needs {lacking.what}: {lacking.cure}")
    return True


@contextmanager
def source(name: str) -> Iterator[Side]:
    """The store of this name, which nobody uses meanwhile; raises Refused."""
    with refusing(), contextlib.closing(_source(name)) as side:
        yield side


@contextmanager
def target(name: str) -> Iterator[Target]:
    """The same, to be filled."""
    with refusing(), contextlib.closing(_target(name)) as side:
        yield side


def _source(name: str) -> Side:
    if is_url(name):
        from mailstack.moving.database import DatabaseSource

        return DatabaseSource(name)
    from mailstack.moving.directory import DirectorySource

    return DirectorySource(Path(name))


def _target(name: str) -> Target:
    if is_url(name):
        from mailstack.moving.database import DatabaseTarget

        return DatabaseTarget(name)
    from mailstack.moving.directory import DirectoryTarget

    return DirectoryTarget(Path(name))


@contextmanager
def objects_of(config: Path | None) -> Iterator[Objects | None]:
    """The object store that a configuration names; None where none was given. Raises Refused."""
    if config is None:
        yield None
        return
    settings = of_config(config).settings
    assert settings is not None
    if not settings.contents.bucket:
        raise Refused(f"{config} names no object store: it has no [contents] bucket")
    from mailstack.config.contents import place_of
    from mailstack.moving.objects import Objects

    with refusing(), contextlib.closing(Objects(place_of(settings))) as objects:
        yield objects


def seen_with(side: Side, objects: Objects | None) -> Side:
    """The side, which knows what is in its objects, too, where these are known."""
    if objects is None:
        return side
    from mailstack.moving.objects import WithObjects

    return WithObjects(side, objects)


def kept_with(side: Target, objects: Objects | None) -> Target:
    """The same of a target, whose large contents become objects then."""
    if objects is None:
        return side
    from mailstack.moving.objects import IntoObjects

    return IntoObjects(side, objects)


@contextmanager
def refusing() -> Iterator[None]:
    """What can't be moved or read, as one line for people."""
    try:
        yield
    except (CannotMove, StoreError, OSError) as error:
        raise Refused(str(error)) from error
