"""App passwords: generated passwords of an account, one for each device."""

from __future__ import annotations

import hashlib
import re
import secrets

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Letters and digits without those that look alike: l, o, 0 and 1."""
LETTERS = 20
"""Number of letters, of 5 bits each: 100 bits can't be guessed, so that a fast digest is enough."""

_WRITTEN = re.compile(rf"[{ALPHABET}]{{{LETTERS}}}\Z")


def new_app_password() -> str:
    """Return a new password in groups of four, which are easy to type."""
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
