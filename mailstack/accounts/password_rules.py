"""Rules for new passwords: minimum length, and common passwords."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources

from mailstack.accounts.passwords import PasswordError

MIN_LENGTH = 8
"""Characters that a password has at least, where the configuration does not say (NIST SP 800-63B §5.1.1.2)."""
LIST = "common_passwords.txt"


def check_password(password: str, address: str, *, min_length: int = MIN_LENGTH) -> None:
    """Refuse a password that is guessed soon. Raises PasswordError, which names the rule and no secret.

    Refused are passwords of fewer than `min_length` characters, the address itself or the part before its @, and the
    1,000 most common ones, in any case. Length and case are those of the composed form, as bcrypt gets it.
    """
    composed = unicodedata.normalize("NFC", password)
    if not composed:
        raise PasswordError("the password is empty; choose one")
    if len(composed) < min_length:
        characters = "1 character" if len(composed) == 1 else f"{len(composed)} characters"
        raise PasswordError(f"the password has {characters}; choose one of at least {min_length}")
    folded = composed.casefold()
    if folded in {address.casefold(), address.rpartition("@")[0].casefold()}:
        raise PasswordError("the password is the account's own name; choose another")
    if folded in common_passwords():
        raise PasswordError(
            "the password is one of the 1,000 most common ones, which are guessed first; choose another"
        )


@cache
def common_passwords() -> frozenset[str]:
    """The list, read once."""
    text = (resources.files("mailstack.accounts") / LIST).read_text(encoding="ascii")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
