"""Claims of due deliveries, stored before the attempts are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Content, Letter, LetterId
from mailstack.letter.delivery import Delivery
from mailstack.store import Claim, Place, StoreError, nowhere, rows, sql
from mailstack.store.batch import Transaction, pieces


class Wanted(Struct, frozen=True):
    """The arguments of `Store.claim`."""

    server: str
    owner: str
    now: float
    limit: int
    lease: float
    next_due: Callable[[Delivery, float], float]
    line: str | None = None
    place: Callable[[str], Place | None] = nowhere


class Claimed(Struct, frozen=True):
    """Claimed deliveries, and damaged ones."""

    claims: list[Claim]
    damaged: list[str]


def claim(transaction: Transaction, wanted: Wanted, content: Callable[[LetterId, int], Content]) -> Claimed:
    """Claims due deliveries. A damaged row is held and reported, so that later rows are not blocked."""
    due = _due(transaction, wanted)
    if wanted.line is None:
        due = _line_up(transaction, due, wanted.place)
    letters, damages = _letters(transaction, [row[0] for row in due], content)
    claimed: dict[LetterId, list[Delivery]] = {}
    damaged: list[str] = []
    flat: list[Any] = []
    for row in due:
        damage = damages.get(row[0])
        if damage is None:
            try:
                delivery = rows.delivery_from(row)
            except StoreError as error:
                damage = str(error)
        if damage is not None:
            damaged.append(damage)
            transaction.execute(sql.SET_ASIDE, (f"can't be read: {damage}", rows.FAR, row[0], row[1]))
            continue
        delivery = _attempted(delivery, letters[delivery.letter].arrival.at, wanted)
        flat += (delivery.letter, delivery.number, delivery.due, rows.waits_until(delivery))
        claimed.setdefault(delivery.letter, []).append(delivery)
    for part in pieces(flat, len(sql.CLAIM)):
        statement = sql.claim(len(part) // len(sql.CLAIM))
        transaction.execute(statement, (wanted.owner, wanted.now + wanted.lease, *part))
    return Claimed([Claim(letters[letter], tuple(deliveries)) for letter, deliveries in claimed.items()], damaged)


def _due(transaction: Transaction, wanted: Wanted) -> list[Any]:
    """Rows of what is due: the highest priority first, and of these the longest due."""
    if wanted.line is not None:
        return transaction.connection.fetch_free(sql.IN_LINE, rows.DELIVERY, (wanted.server, wanted.line, wanted.limit))
    found: list[Any] = []
    for priority, earliest in transaction.execute(sql.NEXT_DUE, (wanted.server, rows.FAR)).fetchall():
        if earliest is not None and earliest <= wanted.now and len(found) < wanted.limit:
            left = wanted.limit - len(found)
            found += transaction.connection.fetch_free(
                sql.DUE, rows.DELIVERY, (wanted.server, priority, wanted.now, left)
            )
    return found


def _line_up(transaction: Transaction, due: list[Any], place: Callable[[str], Place | None]) -> list[Any]:
    """Parks deliveries without a place in the backlog, without reading their letters."""
    left: list[Any] = []
    flat: list[Any] = []
    for row in due:
        # A delivery with an expired claim is not parked before its attempt is counted.
        if row[7] is None and (found := place(row[3])) is not None:
            flat += (row[0], row[1], found.due, found.due, found.line)
        else:
            left.append(row)
    for part in pieces(flat, len(sql.LINE_UP)):
        transaction.execute(sql.line_up(len(part) // len(sql.LINE_UP)), part)
    return left


def _attempted(delivery: Delivery, arrived: float, wanted: Wanted) -> Delivery:
    counted = replace(
        delivery, attempts=delivery.attempts + 1, claimed_by=wanted.owner, lease=wanted.now + wanted.lease
    )
    return replace(counted, due=wanted.next_due(counted, arrived))


def _letters(
    transaction: Transaction, ids: Sequence[str], content: Callable[[LetterId, int], Content]
) -> tuple[dict[str, Letter], dict[str, str]]:
    """The letters of `ids` that can be read, and what is wrong with the others."""
    letters: dict[str, Letter] = {}
    damages = {letter: f"table letters, {letter!r}: there is none" for letter in ids}
    for part in pieces(list(damages), 1):
        for row in transaction.connection.fetch(sql.letters(len(part)), rows.LETTER, part):
            del damages[row[0]]
            try:
                letters[row[0]] = rows.letter_from(row, content)
            except StoreError as error:
                damages[row[0]] = str(error)
    return letters, damages


def recover(transaction: Transaction, owners: Sequence[str], now: float) -> int:
    """Let go of what `owners` had claimed; how many deliveries."""
    letters: list[LetterId] = []
    count = 0
    for part in pieces(list(owners), 1):
        letters += [letter for (letter,) in transaction.execute(sql.stopped_attempts(len(part)), part)]
        count += transaction.execute(sql.let_go(len(part)), (now, now, now, now, *part)).rowcount
    # An administrator may have removed a delivery during its attempt: then its content may be unneeded now.
    transaction.drop_contents(letters)
    return count
