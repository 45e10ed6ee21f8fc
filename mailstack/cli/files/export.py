"""`mailstack export`: the letters of one mailbox, into a Maildir, an mbox file or a folder of .eml files."""

from __future__ import annotations

from pathlib import Path

import click

from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.errors import CommandError
from mailstack.cli.files.export_common import folder_at, give
from mailstack.cli.files.import_common import json_option, letters_in
from mailstack.cli.paths import PathType
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, at_place
from mailstack.letter.files.writers import FOLDERS

format_option = click.option(
    "--format",
    "kind",
    type=click.Choice(sorted(FOLDERS)),
    help="What is written; mbox by itself for a DIR that is named so.",
)


def kind_of(path: Path, kind: str | None, default: str) -> str:
    """As it was asked for, or as the name says."""
    return kind or ("mbox" if path.suffix.lower() in {".mbox", ".mbx"} else default)


@click.command()
@click.argument("address")
@click.argument("path", metavar="DIR", type=PathType())
@format_option
@json_option
@at_place
def export(place: TargetServer, address: str, path: Path, kind: str | None, as_json: bool) -> None:
    """Write the letters in the mailbox of ADDRESS to DIR, a Maildir, made if it is not there.

    With --format eml each is a file ID.eml, octet for octet as POP3 gives it; with --format mbox DIR is one file. What
    is in a Maildir or a folder of .eml files already is not written again, so a command that was broken off is simply
    given again. The mailbox stays as it is, and may be in use.

    \b
    Example:
      mailstack export -c mailstack.toml alice@example.org alice.maildir
      mailstack export bob@home.test bob.mbox
    """
    owner = parse_address(address, place.domains)
    with OpenStore(place, only_reads=True) as server:
        letters = server.run(letters_in(server.store, owner.key))
        is_known = place.settings is None or server.run(server.store.account(owner.key)) is not None
        if not letters and not is_known:
            raise CommandError(f"{owner} is no account here; `mailstack user list` lists them")
        give(server, owner.key, letters, folder_at(kind_of(path, kind, "maildir"), path), as_json=as_json)
