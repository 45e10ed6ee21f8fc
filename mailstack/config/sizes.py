"""Sizes in octets, as a number or as people write them: "50MiB"."""

from __future__ import annotations

import re
from typing import NewType

Size = NewType("Size", int)
"""Octets."""

SizeOrNone = NewType("SizeOrNone", int)
"""Octets; 0 is no limit."""

UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
"""Octets per unit. There is no "MB": it may mean 1,000,000 or 1,048,576 octets."""

LARGEST = 1 << 40
"""Octets; beyond a tebibyte something else was meant."""

EXPECTED = 'a number of octets from 1, or a size such as "50MiB"'

_SYNTAX = re.compile(r"([0-9]{1,13})[ ]?(|KiB|MiB|GiB)")


def read_size(value: object) -> Size:
    """Octets from a whole number or a text. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        octets = value
    elif isinstance(value, str) and (found := _SYNTAX.fullmatch(value)):
        octets = int(found.group(1)) * UNITS[found.group(2)]
    else:
        raise ValueError(EXPECTED)
    if not 1 <= octets <= LARGEST:
        raise ValueError(EXPECTED)
    return Size(octets)


def read_size_or_none(value: object) -> SizeOrNone:
    """The same, or 0 for no limit, as a number or a text. Raises ValueError."""
    if value in (0, "0") and value is not False:
        return SizeOrNone(0)
    try:
        return SizeOrNone(read_size(value))
    except ValueError:
        raise ValueError('0, or a size such as "50MiB"') from None
