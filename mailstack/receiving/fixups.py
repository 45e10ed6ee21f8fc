"""What submission may mend in a header section: what is missing, and what nobody else shall see (RFC 6409 §8)."""

from __future__ import annotations

from mailstack.letter import LetterId
from mailstack.letter.header import has, without
from mailstack.letter.trace import date_field, message_id

HIDDEN = (b"bcc", b"return-path", b"mt-priority")
"""Never travel on: RFC 5322 §3.6.3 (blind copies), RFC 5321 §4.4 (final delivery writes Return-Path), RFC 6758 (the
relay writes MT-Priority)."""


def complete(section: bytes, letter: LetterId, hostname: str, at: float) -> bytes:
    """The section with Date and Message-ID, if they were missing, and without HIDDEN; nothing else is touched."""
    section = without(section, HIDDEN)
    added = b""
    if not has(section, b"message-id"):
        added += message_id(letter, hostname)
    if not has(section, b"date"):
        added += date_field(at)
    return added + section
