"""`mailstack ingest`: letters out of files, into the inbox of a dev environment, each for those whom it names."""

from __future__ import annotations

from pathlib import Path

import click

from mailstack.cli.errors import CommandError
from mailstack.cli.files.import_common import found_in, json_option, letters_in, paths_argument, take
from mailstack.cli.files.importer import address_of, sender_of
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, at_place
from mailstack.letter import Address
from mailstack.letter.parsed import ParsedLetter
from mailstack.mailbox.index.deletion import hidden_numbers
from mailstack.store.archive import ARCHIVE

HOST = "capture.home.test"
"""The server that such letters come to, as those from the capture port do."""
DAY = 86400.0


class _Named:
    """Readers: those whom To, Cc and Bcc name; the author, when they name nobody."""

    def envelope(self, reading: ParsedLetter) -> tuple[Address | None, dict[Address, str]]:
        sender = sender_of(reading)
        named = [address_of(one.address) for one in (*reading.to, *reading.cc, *reading.bcc)]
        recipients = dict.fromkeys(each for each in named if each is not None and each.domain)
        if not recipients and sender is not None:
            recipients = {sender: None}
        if not recipients:
            raise ValueError("it names nobody: neither To, Cc or Bcc nor From has an address")
        return sender, {address: address.key for address in recipients}


@click.command()
@paths_argument
@click.option("--recent", "-r", metavar="DAYS", type=click.IntRange(min=0), default=0,
              help="Only files that were changed within so many days.")  # fmt: skip
@json_option
@at_place
def ingest(place: TargetServer, paths: tuple[Path, ...], recent: int, as_json: bool) -> None:
    """Put the letters of files into the inbox of a dev environment, and into the mailboxes of those whom they name.

    PATH is an mbox file, a Maildir, a letter in a file of its own, or a folder of any of these. What is in the inbox
    already does not enter again. It works on an environment that runs, and with --data on one that doesn't.

    \b
    Example:
      mailstack ingest tests/letters
      mailstack dump --http http://127.0.0.1:8025 letters && mailstack ingest letters     letters of a Mailpit
    """
    if place.settings is not None:
        raise CommandError(
            "only a dev environment has an inbox to fill; `mailstack import ADDRESS PATH` fills a mailbox"
        )
    looked = found_in(paths, since=place.now() - recent * DAY if recent else None)
    with OpenStore(place) as server:
        hidden = hidden_numbers(place.data)
        known = server.run(letters_in(server.store, ARCHIVE, lambda uid: uid in hidden))
        take(server, place, looked, _Named(), ARCHIVE, known, HOST, as_json=as_json)
