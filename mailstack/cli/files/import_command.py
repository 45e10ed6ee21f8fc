"""Commands `mailstack import` and `mailstack ingest`: letters from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from mailstack.cli.argument_types import PathType, local_address
from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.files.importer import Importer, RecipientRule, address_of, sender_of
from mailstack.cli.output import CommandError
from mailstack.cli.progress import Tally, progress_bar
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.config import Config
from mailstack.letter import Address, LetterId
from mailstack.letter.mail_files import ScanResult, detect
from mailstack.letter.parsed import ParsedLetter
from mailstack.letter.times import clean
from mailstack.mailbox.index.removal import hidden_numbers
from mailstack.policy.limits import Quotas
from mailstack.store import Entry, Store
from mailstack.store.archive import ARCHIVE

BATCH = 1000
"""Maximum letters of one query."""
MAX_SIZE = 52_428_800
"""Maximum octets of a letter, unless the configuration allows more."""

paths_argument = click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PathType())
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line for each message; the last line has the counts."
)


class _MailboxOwner:
    """Recipient rule: the owner of the mailbox, independent of the header."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def envelope(self, parsed: ParsedLetter) -> tuple[Address | None, dict[Address, str]]:
        return sender_of(parsed), {self._address: self._address.key}


@click.command("import")
@click.argument("address")
@paths_argument
@json_option
@with_target
def import_letters(target: TargetServer, address: str, paths: tuple[Path, ...], as_json: bool) -> None:
    """Import the messages of files into the mailbox of ADDRESS.

    PATH is an mbox file, a Maildir, a file with one message, or a folder of these. Only line ends are changed. Messages
    that are in the mailbox already are skipped, so that an interrupted import can be repeated. The server may be
    running; clients see the messages at their next login. The import sends no webhooks and no reports.

    \b
    Example:
      mailstack import -c mailstack.toml alice@example.org ~/Maildir
      mailstack import bob@home.test old.mbox letter.eml
    """
    owner = (
        local_address(address, target.domains)
        if target.settings is not None
        else parse_address(address, target.domains)
    )
    scanned = scan_paths(paths)
    with OpenStore(target, announces=False) as server:
        if target.settings is not None and server.run(server.store.accounts.get(owner.key)) is None:
            raise CommandError(f"{owner} is not an account of this server; `mailstack user add {owner}` adds it")
        known = server.run(letters_in(server.store, owner.key))
        hostname = "mx.home.test" if target.settings is None else target.settings.hostname
        import_all(server, target, scanned, _MailboxOwner(owner), owner.key, known, hostname, as_json=as_json)


def scan_paths(paths: Sequence[Path], *, since: float | None = None) -> ScanResult:
    """Letters in files. Raises CommandError if there is none."""
    try:
        scanned = detect(paths, since=since)
    except OSError as error:
        raise CommandError(f"{error.filename or paths[0]}: {error.strerror or error}") from error
    for folder in scanned.subfolders:
        click.echo(
            clean(f"mailstack: {folder} is another mailbox, and was skipped; import it with a PATH of its own"),
            err=True,
        )
    for stranger in scanned.other_files:
        click.echo(clean(f"mailstack: {stranger} has no message and was skipped"), err=True)
    if not scanned.letters and since is None:
        raise CommandError(f"no messages in {', '.join(map(str, paths))}; supported are mbox, Maildir and .eml files")
    return scanned


def import_all(
    server: OpenStore,
    target: TargetServer,
    scanned: ScanResult,
    readers: RecipientRule,
    mailbox: str,
    known: dict[LetterId, Entry],
    hostname: str,
    *,
    as_json: bool,
) -> None:
    """Imports all letters and prints the counts. Raises CommandError."""
    settings = target.settings
    delivery = (settings or Config(hostname=hostname, data=target.data)).delivery  # type: ignore[arg-type]
    max_size = MAX_SIZE if settings is None else max(MAX_SIZE, settings.submission.max_size)
    importer = Importer(
        server.store, hostname, readers, mailbox, known, Quotas(server.store, default=delivery.quota), max_size
    )
    tally = Tally(as_json=as_json)
    letters = scanned.letters
    with progress_bar("Importing", len(letters), as_json=as_json) as step:
        results = server.run_each(importer.enter(found, target.now()) for found in letters)
        for found, result in zip(letters, results, strict=True):
            tally.count(result.state, found.name, result.id, result.why)
            step()
    tally.end("imported", {"imported": "imported", "known": "already there"})


async def letters_in(
    store: Store, mailbox: str, unseen: Callable[[int], bool] = lambda _: False
) -> dict[LetterId, Entry]:
    """All letters of a mailbox, except those with an `unseen` uid."""
    found: dict[LetterId, Entry] = {}
    last = 0
    while some := await store.mailboxes.entries(mailbox, last, BATCH):
        last = some[-1].uid
        found.update((entry.letter, entry) for entry in some if not unseen(entry.uid))
    return found


HOST = "capture.home.test"
"""Server of ingested letters and of letters from the capture port."""
DAY_S = 86400.0


class _HeaderRecipients:
    """Recipient rule: To, Cc and Bcc, else the author."""

    def envelope(self, parsed: ParsedLetter) -> tuple[Address | None, dict[Address, str]]:
        sender = sender_of(parsed)
        named = [address_of(one.address) for one in (*parsed.to, *parsed.cc, *parsed.bcc)]
        recipients = dict.fromkeys(each for each in named if each is not None and each.domain)
        if not recipients and sender is not None:
            recipients = {sender: None}
        if not recipients:
            raise ValueError("it has no address in To, Cc, Bcc or From")
        return sender, {address: address.key for address in recipients}


@click.command()
@paths_argument
@click.option("--recent", "-r", metavar="DAYS", type=click.IntRange(min=0), default=0,
              help="Only files changed within this number of days.")  # fmt: skip
@json_option
@with_target
def ingest(target: TargetServer, paths: tuple[Path, ...], recent: int, as_json: bool) -> None:
    """Import messages into the inbox of a dev environment, and into the mailboxes of their recipients.

    PATH is an mbox file, a Maildir, a file with one message, or a folder of these. Messages that are in the inbox already
    are skipped. With --data the environment need not run.

    \b
    Example:
      mailstack ingest tests/letters
      mailstack dump --http http://127.0.0.1:8025 letters && mailstack ingest letters     letters of a Mailpit
    """
    if target.settings is not None:
        raise CommandError(
            "only a dev environment can ingest messages; use `mailstack import ADDRESS PATH` for a mailbox"
        )
    scanned = scan_paths(paths, since=target.now() - recent * DAY_S if recent else None)
    with OpenStore(target) as server:
        hidden = hidden_numbers(target.data)
        known = server.run(letters_in(server.store, ARCHIVE, lambda uid: uid in hidden))
        import_all(server, target, scanned, _HeaderRecipients(), ARCHIVE, known, HOST, as_json=as_json)
