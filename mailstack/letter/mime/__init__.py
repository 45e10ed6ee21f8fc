"""A letter's MIME parts in other encodings, for hosts and readers that take fewer octets than it has (RFC 6152 §3)."""

from __future__ import annotations

from mailstack.letter.mime.conversion import Domain, Unconvertible, convert

__all__ = ["Domain", "Unconvertible", "convert"]
