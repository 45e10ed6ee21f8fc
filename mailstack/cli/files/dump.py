"""`mailstack dump`: all letters of the inbox into files, of a server here, or over HTTP of a Mailpit anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from mailstack.cli.errors import CommandError
from mailstack.cli.files.export import format_option, kind_of
from mailstack.cli.files.export_common import folder_at, give
from mailstack.cli.files.import_common import json_option, letters_in
from mailstack.cli.files.mailpit import dump_from
from mailstack.cli.paths import PathType
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, with_place
from mailstack.mailbox.index.deletion import hidden_numbers
from mailstack.store.archive import ARCHIVE


@click.command()
@click.argument("path", metavar="DIR", type=PathType())
@click.option("--http", "url", metavar="URL", help="Of the Mailpit, or mailstack, that answers there.")
@format_option
@json_option
@with_place
def dump(find: Callable[[], TargetServer], path: Path, url: str | None, kind: str | None, as_json: bool) -> None:
    """Write all letters of the inbox to DIR, each as a file ID.eml, octet for octet as it was taken.

    What is in DIR already is not written again, so a command that was broken off is simply given again. With --http they
    are asked for by Mailpit's API. A server has an inbox of all letters when it has [index] enabled.

    \b
    Example:
      mailstack dump letters
      mailstack dump --http http://127.0.0.1:8025 letters.mbox
    """
    kind = kind_of(path, kind, "eml")
    if url is not None:
        dump_from(url, folder_at(kind, path), as_json=as_json)
        return
    place = find()
    settings = place.settings
    if settings is not None and not settings.index.enabled:
        raise CommandError(
            "this server keeps no inbox of all letters ([index] enabled); `mailstack export` writes a mailbox"
        )
    with OpenStore(place, only_reads=True) as server:
        hidden = hidden_numbers(place.data)
        letters = server.run(letters_in(server.store, ARCHIVE, lambda uid: uid in hidden))
        give(server, ARCHIVE, letters, folder_at(kind, path), as_json=as_json)
