"""Header fixups of submission: missing fields added, hidden fields removed (RFC 6409 §8)."""

from __future__ import annotations

from mailstack.letter import LetterId
from mailstack.letter.header import has, without
from mailstack.letter.trace import date_field, message_id

HIDDEN = (b"bcc", b"return-path", b"mt-priority")
"""Names of fields that are removed. Bcc lists blind copies (RFC 5322 §3.6.3). Final delivery writes Return-Path
(RFC 5321 §4.4), and the relay writes MT-Priority (RFC 6758)."""


def complete(section: bytes, letter: LetterId, hostname: str, at: float) -> bytes:
    """Adds Date and Message-ID if they are missing, and removes HIDDEN; all other fields stay as they are."""
    section = without(section, HIDDEN)
    added = b""
    if not has(section, b"message-id"):
        added += message_id(letter, hostname)
    if not has(section, b"date"):
        added += date_field(at)
    return added + section
