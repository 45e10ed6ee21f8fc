"""`mailstack import`: letters out of mbox, Maildir and .eml files, into one mailbox."""

from __future__ import annotations

from pathlib import Path

import click

from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.argument_types import local_address
from mailstack.cli.errors import CommandError
from mailstack.cli.files.import_common import found_in, json_option, letters_in, paths_argument, take
from mailstack.cli.files.importer import sender_of
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, at_place
from mailstack.letter import Address
from mailstack.letter.parsed import ParsedLetter


class _Owner:
    """Readers: whose mailbox it is, whatever the letter says."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def envelope(self, reading: ParsedLetter) -> tuple[Address | None, dict[Address, str]]:
        return sender_of(reading), {self._address: self._address.key}


@click.command("import")
@click.argument("address")
@paths_argument
@json_option
@at_place
def import_letters(place: TargetServer, address: str, paths: tuple[Path, ...], as_json: bool) -> None:
    """Put the letters of files into the mailbox of ADDRESS.

    PATH is an mbox file, a Maildir, a letter in a file of its own, or a folder of any of these. The letters stay as they
    are, octet for octet but for the ends of lines. What is in the mailbox already does not enter again, so a command
    that was broken off is simply given again. The server may run meanwhile; its readers see the letters at their next
    login. Nobody is told of them: no webhook, no report.

    \b
    Example:
      mailstack import -c mailstack.toml alice@example.org ~/Maildir
      mailstack import bob@home.test old.mbox letter.eml
    """
    owner = (
        local_address(address, place.domains) if place.settings is not None else parse_address(address, place.domains)
    )
    looked = found_in(paths)
    with OpenStore(place, announces=False) as server:
        if place.settings is not None and server.run(server.store.account(owner.key)) is None:
            raise CommandError(f"{owner} is no account here; `mailstack user add {owner}` makes one")
        known = server.run(letters_in(server.store, owner.key))
        hostname = "mx.home.test" if place.settings is None else place.settings.hostname
        take(server, place, looked, _Owner(owner), owner.key, known, hostname, as_json=as_json)
