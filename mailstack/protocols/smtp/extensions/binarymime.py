"""BINARYMIME (RFC 3030 §3): a content without lines, any octet anywhere, which only BDAT can carry."""

from __future__ import annotations

from mailstack.protocols.smtp.extensions.eightbitmime import body_reader
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter


def _announced(facts: Facts) -> str | None:
    # §3: only together with CHUNKING.
    return None if "CHUNKING" in facts.capabilities.withheld else ""


BINARYMIME = Extension(
    "BINARYMIME", _announced, mail={"BODY": Parameter(body_reader("7BIT", "8BITMIME", "BINARYMIME"))}
)
"""Its BODY stands in place of the one of 8BITMIME, so it comes behind it in OFFERED."""
