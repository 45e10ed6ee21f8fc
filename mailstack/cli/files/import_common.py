"""What `import` and `ingest` have in common: letters are found, enter one after the other, and are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from mailstack.cli.errors import CommandError
from mailstack.cli.files.importer import Importer, Readers
from mailstack.cli.files.progress import Tally, progress
from mailstack.cli.paths import PathType
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer
from mailstack.config import Config
from mailstack.letter import LetterId
from mailstack.letter.display_text import clean
from mailstack.letter.files.detect import ScanResult, detect
from mailstack.policy.quota import Quotas
from mailstack.store import Entry, Store

AT_ONCE = 1000
"""Letters of a mailbox that are listed by one question."""
LARGEST = 52_428_800
"""Octets of a letter, where a configuration doesn't say more."""

paths_argument = click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PathType())
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line for each letter; the last one counts them."
)


def found_in(paths: Sequence[Path], *, since: float | None = None) -> ScanResult:
    """Raises Refused when there is no letter."""
    try:
        looked = detect(paths, since=since)
    except OSError as error:
        raise CommandError(f"{error.filename or paths[0]}: {error.strerror or error}") from error
    for left in looked.left:
        click.echo(clean(f"mailstack: {left} is a mailbox of its own: import it by its name"), err=True)
    for stranger in looked.strangers:
        click.echo(clean(f"mailstack: {stranger} holds no letter, and was passed over"), err=True)
    if not looked.letters and since is None:
        raise CommandError(f"no letter is in {', '.join(map(str, paths))}; mbox, Maildir and .eml files are read")
    return looked


def take(
    server: OpenStore,
    place: TargetServer,
    looked: ScanResult,
    readers: Readers,
    shelf: str,
    known: dict[LetterId, Entry],
    hostname: str,
    *,
    as_json: bool,
) -> None:
    """Have all enter, and say what became of them. Raises Refused."""
    settings = place.settings
    delivery = (settings or Config(hostname=hostname, data=place.data)).delivery  # type: ignore[arg-type]
    largest = LARGEST if settings is None else max(LARGEST, settings.submission.max_size)
    entrance = Importer(
        server.store, hostname, readers, shelf, known, Quotas(server.store, default=delivery.quota), largest
    )
    tally = Tally(as_json=as_json)
    letters = looked.letters
    with progress("Importing", len(letters), as_json=as_json) as step:
        results = server.run_each(entrance.enter(found, place.now()) for found in letters)
        for found, entered in zip(letters, results, strict=True):
            tally.count(entered.state, found.name, entered.id, entered.why)
            step()
    tally.end("imported", {"imported": "imported", "known": "there already"})


async def letters_in(
    store: Store, mailbox: str, unseen: Callable[[int], bool] = lambda _: False
) -> dict[LetterId, Entry]:
    """All letters of a mailbox, less those whose uid is `unseen`."""
    found: dict[LetterId, Entry] = {}
    last = 0
    while some := await store.entries(mailbox, last, AT_ONCE):
        last = some[-1].uid
        found.update((entry.letter, entry) for entry in some if not unseen(entry.uid))
    return found
