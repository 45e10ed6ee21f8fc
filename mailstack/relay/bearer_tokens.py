"""Bearer token of a smart host, read from a file."""

from __future__ import annotations

import re
from pathlib import Path

MAX_OCTETS = 10_240
"""Maximum octets of a token: what fits into a line of AUTH (RFC 4954 §4)."""

# RFC 6750 §2.1: b64token
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")


def read_token(file: Path) -> str:
    """Reads the token from a file, without surrounding white space. Raises OSError, and ValueError if it is invalid."""
    with file.open("rb") as opened:
        octets = opened.read(MAX_OCTETS + 1)
    return token_in(octets, str(file))


def token_in(octets: bytes, where: str) -> str:
    """Parses a token. Raises ValueError, which never contains the text."""
    text = octets.decode("ascii", "replace").strip()
    if len(octets) > MAX_OCTETS or not _TOKEN.match(text):
        raise ValueError(f"{where} holds no bearer token (RFC 6750 §2.1)")
    return text
