"""`mailstack backup`: a consistent copy of a server's data, in one file."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from mailstack.cli.argument_types import PathType
from mailstack.cli.migrate import CannotMove
from mailstack.cli.migrate.backup import back_up
from mailstack.cli.output import CommandError
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.times import clean, size_text
from mailstack.store import StoreError

if TYPE_CHECKING:
    from mailstack.cli.migrate.backup import Saved

MAX_FAULTS = 100
"""Maximum number of faults that are listed."""


@click.command()
@click.argument("file", metavar="FILE", type=PathType(allow_dash=True))
@with_target
def backup(target: TargetServer, file: Path) -> None:
    """Write all data of a server into FILE, as of one moment, while it runs.

    FILE is a tar with the database, large messages, keys and the index; `-` is standard output. It unpacks to a data
    directory. Only you can read FILE (mode 0600).

    Lost and damaged contents are listed, and so is a damaged database. Everything else is written, and the exit status
    is 1. An existing FILE is then kept, and the backup is FILE.incomplete.

    \b
    Example:
      mailstack backup -c mailstack.toml /var/backups/mail.tar
      mailstack backup -c mailstack.toml - | zstd | ssh backup.example.org 'cat > mail.tar.zst'
      mkdir -m 700 restored && tar -xpf mail.tar -C restored && mailstack store verify restored
    """
    if target.settings is not None and target.settings.store.url:
        raise CommandError(
            "the messages of this server are in PostgreSQL; back them up with pg_dump or similar, and add the"
            f" files in {target.data}"
        )
    if str(file) == "-" and sys.stdout.isatty():
        raise click.UsageError("Cannot write a tar to a terminal; name a file, or use a pipe.")
    _report(*_written(target.data, file))


def _written(data: Path, file: Path) -> tuple[Saved, str]:
    """Return the summary of a backup, and the name of its file. Raises CommandError."""
    try:
        if str(file) == "-":
            return back_up(data, sys.stdout.buffer), "standard output"
        if file.is_dir():
            raise CommandError(f"no backup was written: {file} is a directory; name the file to write")
        return _whole(file, partial(back_up, data))
    except (CannotMove, StoreError, OSError, sqlite3.Error) as error:
        raise CommandError(f"no backup was written: {error}") from error


def _whole(file: Path, write: Callable[[IO[bytes]], Saved]) -> tuple[Saved, str]:
    """Write a file atomically."""
    part = file.with_name(f"{file.name}.part")
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as tar:
            saved = write(tar)
            tar.flush()
            os.fsync(tar.fileno())
        name = _name_for(file, saved)
        part.replace(name)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return saved, str(name)


def _name_for(file: Path, saved: Saved) -> Path:
    """Never replace an older backup by an incomplete one: the old one may be complete."""
    return file.with_name(f"{file.name}.incomplete") if saved.faults and file.exists() else file


def _report(saved: Saved, name: str) -> None:
    """Print the summary. Raises CommandError for an incomplete backup."""
    text = f"{saved.letters} messages, {saved.contents} large contents, {size_text(saved.octets)}"
    click.echo(text, err=True)
    if saved.elsewhere:
        click.echo(f"{saved.elsewhere} more contents are in the object store; back up its bucket as well", err=True)
    if saved.faults:
        for fault in saved.faults[:MAX_FAULTS]:
            click.echo(clean(f"mailstack: {fault}"), err=True)
        raise CommandError(
            f"the backup is incomplete: {len(saved.faults)} faults, listed above; everything else is in {name}"
        )
