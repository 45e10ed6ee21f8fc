"""MIME: parsing, composition and conversion of a letter's parts (RFC 2045)."""

from __future__ import annotations

from mailstack.letter.mime.conversion import Domain, Unconvertible, convert

__all__ = ["Domain", "Unconvertible", "convert"]
