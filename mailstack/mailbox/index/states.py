"""Searches by delivery state and folder, answered by the store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial

from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.letter.delivery import DeliveryState
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import InFolder, InState, LettersInState, Term
from mailstack.store import Store

MAX_IN_STATE = 100_000
"""Maximum deliveries of one state, or messages of one folder name, in a search: the newest."""

Recipients = Sequence[tuple[LetterId, str, str | None]]
"""Letter, address, and the original address if an alias led to it."""


async def resolve(store: Store, database: IndexDatabase, item_filter: ItemFilter) -> ItemFilter:
    """The filter with the letters of its states instead of the states. Raises StoreError."""
    if not has_states(item_filter):
        return item_filter
    terms: list[Term] = []
    for term in item_filter.terms:
        if isinstance(term.what, InState):
            found = await _letters_in(store, database, term.what.state, item_filter.seen_by)
            terms.append(replace(term, what=found))
        elif isinstance(term.what, InFolder):
            letters = await store.folders.letters_in(term.what.name, item_filter.seen_by, MAX_IN_STATE)
            terms.append(replace(term, what=LettersInState(json.dumps(letters))))
        else:
            terms.append(term)
    return replace(item_filter, terms=tuple(terms))


def has_states(item_filter: ItemFilter) -> bool:
    """Whether the filter depends on delivery states or folders."""
    return any(isinstance(term.what, InState | InFolder) for term in item_filter.terms)


async def _letters_in(
    store: Store, database: IndexDatabase, state: DeliveryState, account: str | None
) -> LettersInState:
    found: Recipients = await store.history.recipients_in((state,), MAX_IN_STATE)
    if state is DeliveryState.RELAYED:
        found = await _final(store, database, found)
    own = [] if account is None else [row for row in found if account in _keys(row)]
    return LettersInState(_ids(found), account, _ids(own))


async def _final(store: Store, database: IndexDatabase, relayed: Recipients) -> Recipients:
    """Relayed recipients without a copy in this store: the state of a copy replaces "relayed"."""
    copies = await database.read(partial(copies_of, letters=_ids(relayed)))
    if not copies:
        return relayed
    arrived: set[tuple[str, str]] = set()
    for letter, address, original in await store.history.recipients_in(tuple(DeliveryState), MAX_IN_STATE):
        if letter in copies:
            arrived.add((copies[letter], original or address))
    return [row for row in relayed if (row[0], row[1]) not in arrived]


def copies_of(connection: sqlite3.Connection, letters: str) -> dict[str, str]:
    """The original of each copy of these letters (JSON), by id."""
    return dict(
        connection.execute(
            "SELECT copies.id, letters.id FROM letters JOIN copies ON copies.number = letters.number"
            " WHERE letters.id IN (SELECT value FROM json_each(?))",
            (letters,),
        ).fetchall()
    )


def _ids(recipients: Iterable[tuple[LetterId, str, str | None]]) -> str:
    return json.dumps(list(dict.fromkeys(letter for letter, _, _ in recipients)))


def _keys(row: tuple[LetterId, str, str | None]) -> set[str]:
    """Addresses of a recipient, without the part after a plus."""
    keys = set()
    for address in row[1:]:
        local, _, domain = (address or "").rpartition("@")
        keys.add(f"{local.partition('+')[0]}@{domain}")
    return keys
