"""Names and passwords as options and variables of a peer give them: in a file, or in place."""

from __future__ import annotations

from pathlib import Path

from mailstack.accounts.password_file import parse_passwords
from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.errors import CommandError

_MOST_LOGINS = 1_000_000
"""Characters of a file of passwords."""


def login_file(field: str, wish: DevOverrides, option: str, value: str) -> None:
    try:
        with Path(value).open(encoding="utf-8") as file:
            text = file.read(_MOST_LOGINS + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise CommandError(f"{option}: {value}: {why}") from None
    if len(text) > _MOST_LOGINS:
        raise CommandError(f"{option}: {value}: it has more than {_MOST_LOGINS} characters; name a smaller file")
    _take_logins(field, wish, option, text)


def logins(field: str, wish: DevOverrides, option: str, value: str) -> None:
    """Of a variable, where words stand for lines."""
    _take_logins(field, wish, option, "\n".join(value.split()))


def _take_logins(field: str, wish: DevOverrides, option: str, text: str) -> None:
    try:
        wish.set(**{field: parse_passwords(text)})
    except ValueError as error:
        raise CommandError(f"{option}: {error}") from None
