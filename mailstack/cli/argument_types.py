"""The names that commands take: addresses and letter ids, checked before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailstack.cli.errors import CommandError
from mailstack.letter import Address, AddressError, LetterId

_LETTER_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{15}\Z")


def address(text: str, domains: Sequence[str]) -> Address:
    """An address; a name without @ is one of the first of `domains`, as at a login. Raises Refused."""
    if "@" not in text and not domains:
        raise CommandError(f"{text!r} has no domain, and this server has none to complete it; write user@domain")
    whole = text if "@" in text else f"{text}@{domains[0]}"
    try:
        return Address.parse(whole)
    except AddressError as error:
        raise CommandError(f"{whole!r} is not an address: {error}") from error


def local_address(text: str, domains: Sequence[str]) -> Address:
    """An address of ours: in one of `domains`. Raises Refused."""
    found = address(text, domains)
    if found.ascii_domain.lower() not in {domain.lower() for domain in domains}:
        raise CommandError(
            f"{found} is not in a domain of this server ({', '.join(domains)}); add it to `domains` first"
        )
    return found


def letter_id(text: str) -> LetterId:
    """A letter's id, as printed anywhere. Raises Refused."""
    wanted = text.strip().lower()
    if not _LETTER_ID.match(wanted):
        raise CommandError(f"{text!r} is not a letter's id; `mailstack letters` lists them")
    return LetterId(wanted)


def unknown_letter(wanted: LetterId) -> CommandError:
    """What to raise for an id that this store has not heard of."""
    return CommandError(f"no letter {wanted} is known here; `mailstack letters` lists those that are")
