"""App passwords: more passwords of an account, made by us, one for each device or program, so that each can be taken away."""

from __future__ import annotations

import hashlib
import re
import secrets

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without what looks alike: l, o, 0 and 1."""
LETTERS = 20
"""Of 5 bits each: nobody guesses 100 bits, so that a fast digest is enough to keep."""

_WRITTEN = re.compile(rf"[{ALPHABET}]{{{LETTERS}}}\Z")


def new_app_password() -> str:
    """In groups of four, for people who type it."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))
    return "-".join(letters[at : at + 4] for at in range(0, LETTERS, 4))


def digest(address: str, password: str) -> bytes | None:
    """What is stored, and looked for; None for what can't be an app password. Hyphens, blanks and case don't matter."""
    if len(password) > 2 * LETTERS:
        return None
    letters = password.replace("-", "").replace(" ", "").lower()
    if not _WRITTEN.match(letters):
        return None
    return hashlib.sha256(f"{address}\0{letters}".encode()).digest()
