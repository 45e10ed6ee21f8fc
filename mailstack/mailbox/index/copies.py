"""Copies of relayed letters: finds the original in another server of the store."""

from __future__ import annotations

import re
from collections.abc import Collection

from mailstack.letter import LetterId
from mailstack.letter.delivery import DeliveryState
from mailstack.letter.header import fields, split
from mailstack.store import Filter, Record, Store

_ID = re.compile(rb"\sid ([0-9a-z]{15})\b", re.IGNORECASE)
_MAX_HOPS = 10
_MAX_HEADER = 65_536


async def source_of(store: Store, outlets: Collection[str], record: Record, octets: bytes) -> LetterId | None:
    """Return the id of the letter that this one is a copy of, if any. Raises StoreError.

    A client can forge `Received`. So the source must have been on its way to one of the recipients, from the host that
    called. What `outlets`, servers by name, are given is always a copy.
    """
    letter = record.letter
    if letter.arrival.server in outlets:
        return next((each for each in traced(octets) if each != letter.id), LetterId(""))
    if letter.arrival.account is not None or letter.arrival.remote is None:
        return None
    ids = tuple(each for each in traced(octets) if each != letter.id)
    if not ids:
        return None
    for source in await store.records(Filter(ids=ids, limit=len(ids))):
        if source.letter.arrival.server == letter.arrival.helo and _went(source, record):
            return source.letter.id
    return None


def traced(octets: bytes) -> list[LetterId]:
    """Return the ids in the Received fields, the newest first."""
    header = octets[:_MAX_HEADER]
    found = [_ID.search(field) for name, field in fields(header[: split(header)]) if name == b"received"]
    return [LetterId(each[1].decode("ascii").lower()) for each in found if each is not None][:_MAX_HOPS]


def _went(source: Record, copy: Record) -> bool:
    """Return whether a letter was relayed, or is just being relayed, to a recipient of its copy."""
    recipients = {recipient.address.key for recipient in copy.letter.envelope.recipients}
    return source.letter.envelope.sender == copy.letter.envelope.sender and any(
        delivery.recipient.address.key in recipients
        and (delivery.state is DeliveryState.RELAYED or delivery.claimed_by is not None)
        for delivery in source.deliveries
    )
