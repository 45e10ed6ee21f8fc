"""What `export` and `dump` have in common: the letters of a mailbox are written to a folder, one after the other."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from mailstack.cli.errors import CommandError
from mailstack.cli.files.progress import Tally, progress
from mailstack.cli.store_runner import OpenStore
from mailstack.letter import LetterId
from mailstack.letter.files.writers import FOLDERS, LetterWriter
from mailstack.store import Entry, Filter, Store, StoreError

AT_ONCE = 50
"""Letters that are looked up together."""


class _Facts(Struct, frozen=True):
    sender: str
    at: float


def folder_at(kind: str, path: Path) -> LetterWriter:
    """Raises Refused."""
    try:
        return FOLDERS[kind](path)
    except FileExistsError as error:
        raise CommandError(
            f"{error}; name a file that is not there, or export as maildir or eml, which can be continued"
        ) from None
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}") from error


def give(
    server: OpenStore, mailbox: str, letters: dict[LetterId, Entry], folder: LetterWriter, *, as_json: bool
) -> None:
    """Write all, and say what was done. A letter that can't be read is named, and left out. Raises Refused."""
    tally = Tally(as_json=as_json)
    wanted = [(letter, entry.uid) for letter, entry in letters.items() if not folder.has(letter, entry.size)]
    for letter in letters.keys() - {letter for letter, _ in wanted}:
        tally.count("known", "", letter)
    try:
        with progress("Exporting", len(wanted), as_json=as_json) as step:
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                facts = _facts_of(server, [letter for letter, _ in some])
                for letter, uid in some:
                    _one(server, mailbox, letter, uid, facts.get(letter, _Facts("", 0.0)), folder, tally)
                    step()
        folder.finish()
    except OSError as error:
        raise CommandError(f"{error.filename or 'the letters'} can't be written: {error.strerror or error}") from error
    tally.end(
        "exported", {"exported": "exported", "known": "there already", "gone": "gone meanwhile", "damaged": "damaged"}
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
    """A letter has no more than was taken once: it is held for the moment that it takes to write it."""
    return [octets async for octets in (await store.read(mailbox, uid)).chunks()]


def _facts_of(server: OpenStore, letters: list[LetterId]) -> dict[LetterId, _Facts]:
    """Without those of letters of which these can't be read: their content may be sound."""
    try:
        return server.run(_facts(server.store, letters))
    except CommandError:
        if len(letters) == 1:
            return {}
    return {name: facts for letter in letters for name, facts in _facts_of(server, [letter]).items()}


async def _facts(store: Store, letters: list[LetterId]) -> dict[LetterId, _Facts]:
    found = await store.records(Filter(ids=tuple(letters), limit=len(letters)))
    return {
        record.letter.id: _Facts(str(record.letter.envelope.sender or ""), record.letter.arrival.at) for record in found
    }
