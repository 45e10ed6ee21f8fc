"""Enhanced status code: class, subject, detail (RFC 3463)."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

_SYNTAX = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")


class Status(Struct, frozen=True):
    """RFC 3463 §2: `class "." subject "." detail`."""

    kind: int
    """2 success, 4 persistent transient failure, 5 permanent failure."""
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.subject}.{self.detail}"

    @classmethod
    def parse(cls, text: str) -> Status:
        """The status that `text` begins with; raises ValueError when it begins with none."""
        found = _SYNTAX.match(text)
        if found is None:
            raise ValueError(f"not an enhanced status code: {text[:20]!r}")
        return _status(found[1], found[2], found[3])


@lru_cache(maxsize=1024)  # the same few all day
def _status(kind: str, subject: str, detail: str) -> Status:
    return Status(int(kind), int(subject), int(detail))
