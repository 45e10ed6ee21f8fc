"""How a command names a store: a data directory, or a URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailstack.cli.refusal import Refused
from mailstack.moving import CannotMove, Side, Target
from mailstack.store import StoreError

POSTGRESQL = ("postgresql://", "postgres://")


def is_url(name: str) -> bool:
    if "://" in name and not name.startswith(POSTGRESQL):
        raise Refused(f"{name.partition('://')[0]}:// names no store; give a data directory, or a postgresql:// URL")
    return name.startswith(POSTGRESQL)


@contextmanager
def source(name: str) -> Iterator[Side]:
    """The store of this name, which nobody uses meanwhile; raises Refused."""
    from mailstack.moving.directory import DirectorySource

    with refusing(), contextlib.closing(DirectorySource(Path(name))) as side:
        yield side


@contextmanager
def target(name: str) -> Iterator[Target]:
    """The same, to be filled."""
    from mailstack.moving.directory import DirectoryTarget

    with refusing(), contextlib.closing(DirectoryTarget(Path(name))) as side:
        yield side


@contextmanager
def refusing() -> Iterator[None]:
    """What can't be moved or read, as one line for people."""
    try:
        yield
    except (CannotMove, StoreError, OSError) as error:
        raise Refused(str(error)) from error
