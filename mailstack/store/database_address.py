"""Database address and timeouts, importable without the driver."""

from __future__ import annotations

from typing import ClassVar

from mailstack.protocols.redacted import Redacted


class DatabaseAddress(Redacted, frozen=True):
    """Of PostgreSQL, or of what speaks its protocol."""

    SECRETS: ClassVar[tuple[str, ...]] = ("url",)

    url: str
    """Connection string for libpq, which adds defaults from the environment, its files and the password file."""
    schema: str = ""
    """The PostgreSQL schema; empty: as the role's search_path says."""
    connect_timeout: float = 3.0
    """Seconds until a connection is there, all told."""
    timeout: float = 15.0
    """Seconds that a change or a question may take."""
