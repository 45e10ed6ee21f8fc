"""Claims of due deliveries, stored before the attempts are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Content, Letter, LetterId
from mailstack.letter.delivery import Delivery
from mailstack.store import Claim, ParkingSlot, StoreError, no_slot, rows, sql
from mailstack.store.batch import Transaction, pieces


class ClaimRequest(Struct, frozen=True):
    """The arguments of `Store.claim`."""

    server: str
    owner: str
    now: float
    limit: int
    lease: float
    next_due: Callable[[Delivery, float], float]
    parked_for: str | None = None
    slot: Callable[[str], ParkingSlot | None] = no_slot


class Claimed(Struct, frozen=True):
    """Claimed deliveries, and damaged ones."""

    claims: list[Claim]
    damaged: list[str]


def claim(transaction: Transaction, request: ClaimRequest, content: Callable[[LetterId, int], Content]) -> Claimed:
    """Claims due deliveries. A damaged row is held and reported, so that later rows are not blocked."""
    due = _due(transaction, request)
    if request.parked_for is None:
        due = _park(transaction, due, request.slot)
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
            transaction.execute(sql.HOLD_DAMAGED, (f"can't be read: {damage}", rows.FAR, row[0], row[1]))
            continue
        delivery = _attempted(delivery, letters[delivery.letter].arrival.at, request)
        flat += (delivery.letter, delivery.number, delivery.due, rows.waits_until(delivery))
        claimed.setdefault(delivery.letter, []).append(delivery)
    for part in pieces(flat, len(sql.CLAIM)):
        statement = sql.claim(len(part) // len(sql.CLAIM))
        transaction.execute(statement, (request.owner, request.now + request.lease, *part))
    return Claimed([Claim(letters[letter], tuple(deliveries)) for letter, deliveries in claimed.items()], damaged)


def _due(transaction: Transaction, request: ClaimRequest) -> list[Any]:
    """Due rows, by priority and then by due time."""
    if request.parked_for is not None:
        return transaction.connection.fetch_free(
            sql.PARKED, rows.DELIVERY, (request.server, request.parked_for, request.limit)
        )
    found: list[Any] = []
    for priority, earliest in transaction.execute(sql.NEXT_DUE, (request.server, rows.FAR)).fetchall():
        if earliest is not None and earliest <= request.now and len(found) < request.limit:
            left = request.limit - len(found)
            found += transaction.connection.fetch_free(
                sql.DUE, rows.DELIVERY, (request.server, priority, request.now, left)
            )
    return found


def _park(transaction: Transaction, due: list[Any], slot: Callable[[str], ParkingSlot | None]) -> list[Any]:
    """Parks due deliveries that have a slot, without reading their letters; returns the others."""
    left: list[Any] = []
    flat: list[Any] = []
    for row in due:
        # A delivery with an expired claim is not parked before its attempt is counted.
        if row[7] is None and (found := slot(row[3])) is not None:
            flat += (row[0], row[1], found.due, found.due, found.parked_for)
        else:
            left.append(row)
    for part in pieces(flat, len(sql.PARK)):
        transaction.execute(sql.park(len(part) // len(sql.PARK)), part)
    return left


def _attempted(delivery: Delivery, arrived: float, request: ClaimRequest) -> Delivery:
    counted = replace(
        delivery, attempts=delivery.attempts + 1, claimed_by=request.owner, lease=request.now + request.lease
    )
    return replace(counted, due=request.next_due(counted, arrived))


def _letters(
    transaction: Transaction, ids: Sequence[str], content: Callable[[LetterId, int], Content]
) -> tuple[dict[str, Letter], dict[str, str]]:
    """Readable letters of `ids`, and the damage of the others."""
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
    """Releases the claims of `owners`; returns the number of deliveries."""
    letters: list[LetterId] = []
    count = 0
    for part in pieces(list(owners), 1):
        letters += [letter for (letter,) in transaction.execute(sql.stopped_attempts(len(part)), part)]
        count += transaction.execute(sql.release_claims(len(part)), (now, now, now, now, *part)).rowcount
    # An administrator may have removed a delivery during its attempt: then its content may be unneeded now.
    transaction.drop_contents(letters)
    return count
