"""Letter: one accepted email message: envelope, content, id (RFC 5321 §2.3.1)."""

from __future__ import annotations

from mailstack.letter.address import Address, AddressError, ReversePath
from mailstack.letter.envelope import Arrival, Envelope, Recipient
from mailstack.letter.letter import Content, Letter, LetterId, new_letter_id, seeded_ids
from mailstack.letter.status import Deferred, Delivered, Failed, Outcome, Status

__all__ = [
    "Address",
    "AddressError",
    "Arrival",
    "Content",
    "Deferred",
    "Delivered",
    "Envelope",
    "Failed",
    "Letter",
    "LetterId",
    "Outcome",
    "Recipient",
    "ReversePath",
    "Status",
    "new_letter_id",
    "seeded_ids",
]
