"""Commands `mailstack export` and `mailstack dump`: letters into files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import click
from msgspec import Struct

from mailstack.cli.argument_types import PathType
from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.files.import_command import json_option, letters_in
from mailstack.cli.output import CommandError
from mailstack.cli.progress import Tally, progress_bar
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target, with_target_finder
from mailstack.letter import LetterId
from mailstack.letter.mail_files import FOLDERS, LetterWriter
from mailstack.mailbox.index.removal import hidden_numbers
from mailstack.store import Entry, Filter, Store, StoreError
from mailstack.store.archive import ARCHIVE

MESSAGES_PER_LIST = 500
"""Messages of one list request."""
MAX_MESSAGES = 1_000_000
"""Maximum messages in total."""
MAX_SIZE = 256 * 1024 * 1024
"""Maximum octets of a message."""
MAX_LIST = 64 * 1024 * 1024
"""Maximum octets of a list response."""
TIMEOUT_S = 60.0
"""Maximum seconds without data."""
_PIECE = 65536
_ONE_ALONE = {404, 410, 500}
"""Status codes for one missing or damaged message."""
_ID = re.compile(r"[0-9A-Za-z_-]{1,100}\Z")
"""Message id that is safe as a file name."""


def dump_from(url: str, folder: LetterWriter, *, as_json: bool) -> None:
    """Writes all messages, newest first. Raises CommandError."""
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise CommandError(f"{url!r} is not a URL such as http://127.0.0.1:8025")
    base = url.rstrip("/")
    tally = Tally(as_json=as_json)
    try:
        messages = list(_messages(base))
        with progress_bar("Fetching", len(messages), as_json=as_json) as step:
            for name, sender, at in messages:
                letter = LetterId(name)
                if folder.has(letter):
                    tally.count("known", "", letter)
                else:
                    _fetch(f"{base}/api/v1/message/{quote(name)}/raw", folder, letter, sender, at, tally)
                step()
        folder.finish()
    except HTTPError as error:
        raise CommandError(
            f"{url}: {error.code} {error.reason}; is it the URL of the web interface, without a login?"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise CommandError(f"{url} returned no messages: {reason}") from None
    tally.end("exported", {"exported": "exported", "known": "there already", "damaged": "damaged"})


def _fetch(
    url: str, folder: LetterWriter, letter: LetterId, sender: str, at: float, tally: Tally
) -> None:  # each of a type of its own
    """Writes one message; a damaged one is reported and skipped."""
    try:
        answer = _get(url)
    except HTTPError as error:
        if error.code not in _ONE_ALONE:
            raise
        tally.count("damaged", letter, letter, f"not exported: the server replied {error.code} {error.reason}")
        return
    with answer:
        folder.add(letter, sender, at, _response_octets(answer))
    tally.count("exported", "", letter)


def _messages(base: str) -> Iterator[tuple[str, str, float]]:
    """Id, sender and arrival of each message. Raises OSError, or another error for an invalid response."""
    seen: set[str] = set()
    for start in range(0, MAX_MESSAGES, MESSAGES_PER_LIST):
        with _get(f"{base}/api/v1/messages?start={start}&limit={MESSAGES_PER_LIST}") as answer:
            octets = answer.read(MAX_LIST + 1)
        if len(octets) > MAX_LIST:
            raise ValueError("its message list is too large")
        some = json.loads(octets)["messages"]
        for message in some:
            name = str(message["ID"])
            if not _ID.match(name):
                raise ValueError(f"{name[:40]!r} is not a message id")
            if name not in seen:
                seen.add(name)
                yield name, _sender(message), datetime.fromisoformat(str(message["Created"])).timestamp()
        if len(some) < MESSAGES_PER_LIST:
            return
    raise ValueError(f"it has more than {MAX_MESSAGES} messages")


def _response_octets(answer: IO[bytes]) -> Iterator[bytes]:
    """Pieces of a response. Raises ValueError if it is too large."""
    octets_left = MAX_SIZE
    while octets := answer.read(_PIECE):
        octets_left -= len(octets)
        if octets_left < 0:
            raise ValueError(f"a message has more than {MAX_SIZE} octets")
        yield octets


def _sender(message: dict[str, Any]) -> str:
    address = str((message.get("From") or {}).get("Address", ""))
    return address if address.isascii() and address.isprintable() and " " not in address else ""


def _get(url: str) -> IO[bytes]:
    found: IO[bytes] = urlopen(Request(url), timeout=TIMEOUT_S)  # noqa: S310 - it is http or https
    return found


format_option = click.option(
    "--format",
    "kind",
    type=click.Choice(sorted(FOLDERS)),
    help="Output format; mbox is the default for a DIR named *.mbox.",
)


def kind_of(path: Path, kind: str | None, default: str) -> str:
    """Output format, by option or file name."""
    return kind or ("mbox" if path.suffix.lower() in {".mbox", ".mbx"} else default)


@click.command()
@click.argument("address")
@click.argument("path", metavar="DIR", type=PathType())
@format_option
@json_option
@with_target
def export(target: TargetServer, address: str, path: Path, kind: str | None, as_json: bool) -> None:
    """Export the mailbox of ADDRESS to DIR, a Maildir, which is created if needed.

    With --format eml each message is a file ID.eml, octet for octet as POP3 returns it; with --format mbox DIR is one
    file. Messages that are in a Maildir or a folder of .eml files already are not written again, so an interrupted
    export can be repeated. The mailbox is not changed, and may be in use.

    \b
    Example:
      mailstack export -c mailstack.toml alice@example.org alice.maildir
      mailstack export bob@home.test bob.mbox
    """
    owner = parse_address(address, target.domains)
    with OpenStore(target, only_reads=True) as server:
        letters = server.run(letters_in(server.store, owner.key))
        is_known = target.settings is None or server.run(server.store.accounts.get(owner.key)) is not None
        if not letters and not is_known:
            raise CommandError(f"{owner} is not an account of this server; `mailstack user list` lists the accounts")
        give(server, owner.key, letters, folder_at(kind_of(path, kind, "maildir"), path), as_json=as_json)


BATCH = 50
"""Letters that are scanned up together."""


class _Facts(Struct, frozen=True):
    sender: str
    at: float


def folder_at(kind: str, path: Path) -> LetterWriter:
    """Opens the output. Raises CommandError."""
    try:
        return FOLDERS[kind](path)
    except FileExistsError as error:
        raise CommandError(f"{error}; choose a new file, or export as maildir or eml, which can be continued") from None
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}") from error


def give(
    server: OpenStore, mailbox: str, letters: dict[LetterId, Entry], folder: LetterWriter, *, as_json: bool
) -> None:
    """Writes all letters and prints the counts; damaged letters are reported and skipped. Raises CommandError."""
    tally = Tally(as_json=as_json)
    new_letters = [(letter, entry.uid) for letter, entry in letters.items() if not folder.has(letter, entry.size)]
    for letter in letters.keys() - {letter for letter, _ in new_letters}:
        tally.count("known", "", letter)
    try:
        with progress_bar("Exporting", len(new_letters), as_json=as_json) as step:
            for start in range(0, len(new_letters), BATCH):
                some = new_letters[start : start + BATCH]
                facts = _facts_of(server, [letter for letter, _ in some])
                for letter, uid in some:
                    _one(server, mailbox, letter, uid, facts.get(letter, _Facts("", 0.0)), folder, tally)
                    step()
        folder.finish()
    except OSError as error:
        raise CommandError(f"{error.filename or 'the messages'} can't be written: {error.strerror or error}") from error
    tally.end(
        "exported",
        {"exported": "exported", "known": "already there", "gone": "deleted meanwhile", "damaged": "damaged"},
    )


def _one(  # each of a type of its own
    server: OpenStore, mailbox: str, letter: LetterId, uid: int, facts: _Facts, folder: LetterWriter, tally: Tally
) -> None:
    try:
        octets = server.run(_octets(server.store, mailbox, uid))
    except KeyError:
        tally.count("gone", "", letter)
        return
    except CommandError as refused:
        if not isinstance(refused.__cause__, StoreError):
            raise
        tally.count("damaged", letter, letter, f"in mailbox {mailbox}, not exported: {refused.message}")
        return
    folder.add(letter, facts.sender, facts.at, octets)
    tally.count("exported", "", letter)


async def _octets(store: Store, mailbox: str, uid: int) -> list[bytes]:
    """All octets of a letter, in memory; the maximum size of letters bounds it."""
    return [octets async for octets in (await store.mailboxes.read(mailbox, uid)).chunks()]


def _facts_of(server: OpenStore, letters: list[LetterId]) -> dict[LetterId, _Facts]:
    """Facts by letter, without those that can't be read: the contents may be sound."""
    try:
        return server.run(_facts(server.store, letters))
    except CommandError:
        if len(letters) == 1:
            return {}
    return {name: facts for letter in letters for name, facts in _facts_of(server, [letter]).items()}


async def _facts(store: Store, letters: list[LetterId]) -> dict[LetterId, _Facts]:
    found = await store.history.records(Filter(ids=tuple(letters), limit=len(letters)))
    return {
        record.letter.id: _Facts(str(record.letter.envelope.sender or ""), record.letter.arrival.at) for record in found
    }


@click.command()
@click.argument("path", metavar="DIR", type=PathType())
@click.option("--http", "url", metavar="URL", help="URL of a Mailpit or mailstack web interface.")
@format_option
@json_option
@with_target_finder
def dump(find: Callable[[], TargetServer], path: Path, url: str | None, kind: str | None, as_json: bool) -> None:
    """Export all messages of the inbox to DIR, each as a file ID.eml, octet for octet as accepted.

    Messages that are in DIR already are not written again, so an interrupted dump can be repeated. With --http the
    messages are fetched over Mailpit's API. A server has an inbox of all messages if [index] is enabled.

    \b
    Example:
      mailstack dump letters
      mailstack dump --http http://127.0.0.1:8025 letters.mbox
    """
    kind = kind_of(path, kind, "eml")
    if url is not None:
        dump_from(url, folder_at(kind, path), as_json=as_json)
        return
    target = find()
    settings = target.settings
    if settings is not None and not settings.index.enabled:
        raise CommandError(
            "this server has no inbox of all messages ([index] is not enabled); use `mailstack export` for a mailbox"
        )
    with OpenStore(target, only_reads=True) as server:
        hidden = hidden_numbers(target.data)
        letters = server.run(letters_in(server.store, ARCHIVE, lambda uid: uid in hidden))
        give(server, ARCHIVE, letters, folder_at(kind, path), as_json=as_json)
