"""How the size of a mailbox, and its quota, are written by people and for them."""

from __future__ import annotations

from mailstack.cli.errors import CommandError
from mailstack.config.sizes import read_size


def read_quota(text: str) -> int | None:
    """Octets; 0 for `none`, None for `default`. Raises Refused."""
    if text == "default":
        return None
    if text == "none":
        return 0

    try:
        return read_size(int(text) if text.isdecimal() and len(text) < 15 else text)
    except ValueError:
        raise CommandError(f"{text!r} is no quota; give a size such as 500MiB, or `none`, or `default`") from None


def size_text(octets: int) -> str:
    """With the unit that keeps it short."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if octets >= 1 << power:
            return f"{octets / (1 << power):.1f} {unit}"
    return f"{octets} octets"


def quota_text(quota: int | None) -> str:
    """What a quota means."""
    if quota is None:
        return "default"
    return size_text(quota) if quota else "none"
