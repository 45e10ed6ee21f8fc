"""A Reach: where a database is, and for how long it is waited for. Known to those who have not loaded its driver."""

from __future__ import annotations

from typing import ClassVar

from mailstack.protocols.redacted import Redacted


class DatabaseAddress(Redacted, frozen=True):
    """Of PostgreSQL, or of what speaks its protocol."""

    SECRETS: ClassVar[tuple[str, ...]] = ("url",)

    url: str
    """As libpq takes it; what it does not say, libpq knows from the environment and its files, the password too."""
    schema: str = ""
    """The PostgreSQL schema; empty: as the role's search_path says."""
    connect_timeout: float = 3.0
    """Seconds until a connection is there, all told."""
    timeout: float = 15.0
    """Seconds that a change or a question may take."""
