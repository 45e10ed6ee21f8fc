"""Output of `mailq` in the format of Postfix."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from mailstack.cli.output import last_word
from mailstack.cli.store_runner import OpenStore
from mailstack.letter.delivery import OWED, DeliveryState
from mailstack.letter.display_text import clean
from mailstack.store import Filter, Record
from mailstack.store.journey_json import sender_text

MAX_SCANNED = 100_000
HEADING = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
EMPTY = "Mail queue is empty"


def list_queue(server: OpenStore) -> Iterator[str]:
    """The lines of mailq, the oldest letter first."""
    records = server.run(server.store.records(Filter(states=OWED, limit=MAX_SCANNED)))
    if not records:
        yield EMPTY
        return
    yield HEADING
    for record in reversed(records):
        yield from map(clean, _entry(record, time.time()))
        yield ""
    octets = sum(record.letter.content.size for record in records)
    yield f"-- {max(1, octets // 1024)} Kbytes in {len(records)} Request{'' if len(records) == 1 else 's'}."


def _entry(record: Record, now: float) -> Iterator[str]:
    letter = record.letter
    arrived = time.strftime("%a %b %e %H:%M:%S", time.localtime(letter.arrival.at))
    owed = [delivery for delivery in record.deliveries if delivery.state in OWED]
    active = any(delivery.claimed_by is not None and delivery.lease > now for delivery in owed)
    held = all(delivery.state is DeliveryState.HELD for delivery in owed)
    mark = "*" if active else "!" if held else " "
    yield f"{letter.id}{mark} {letter.content.size:>8} {arrived}  {sender_text(letter.envelope) or 'MAILER-DAEMON'}"
    for reason, recipients in _by_reason([(last_word(one), str(one.recipient.address)) for one in owed]):
        if reason:
            yield f"({reason})".rjust(len(HEADING))
        yield from (f"{'':41}{recipient}" for recipient in recipients)


def _by_reason(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for reason, recipient in pairs:
        groups.setdefault(reason, []).append(recipient)
    return list(groups.items())
