"""The bearer token for a smart host, in a file that another program renews."""

from __future__ import annotations

import re
from pathlib import Path

LONGEST = 10_240
"""Octets of a token: what fits into a line of AUTH (RFC 4954 §4)."""

# RFC 6750 §2.1: b64token
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")


def read_token(file: Path) -> str:
    """The token, with blanks and line ends around it taken off. Raises OSError, and ValueError for what is none."""
    with file.open("rb") as opened:
        octets = opened.read(LONGEST + 1)
    return token_in(octets, str(file))


def token_in(octets: bytes, where: str) -> str:
    """Raises ValueError, which never tells what is there."""
    text = octets.decode("ascii", "replace").strip()
    if len(octets) > LONGEST or not _TOKEN.match(text):
        raise ValueError(f"{where} holds no bearer token (RFC 6750 §2.1)")
    return text
