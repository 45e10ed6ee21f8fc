"""Redacted struct: its repr shows no secrets in logs and tracebacks."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct


class Redacted(Struct, frozen=True):
    """Leaves out the fields that SECRETS names."""

    SECRETS: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.SECRETS]
        return f"{type(self).__name__}({', '.join(shown)})"
