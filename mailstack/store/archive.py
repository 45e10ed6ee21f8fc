"""Archive of accepted letters, filed in a closed mailbox by the accepting transaction."""

from __future__ import annotations

from msgspec.structs import replace

from mailstack.store import Acceptance, Placement

ARCHIVE = "archive"
"""Mailbox of the archive. No account and no address has this name, for these contain an @."""
NUMBER = -1
"""Delivery number of an archive entry, which belongs to no delivery."""


def with_archive_entry(acceptance: Acceptance) -> Acceptance:
    """The acceptance with one more placement, in the archive."""
    letter = acceptance.letter
    entry = Placement(ARCHIVE, (letter.id, NUMBER), b"", letter.content.size, letter.arrival.at)
    return replace(acceptance, placements=(*acceptance.placements, entry))
