"""Settings of a store: sizes, times and threads."""

from __future__ import annotations

from msgspec import Struct


class StoreSettings(Struct, frozen=True):
    """Sizes and times of a store."""

    readers: int = 2
    """Number of reader threads."""
    writers: int = 2
    """Number of writer threads of a PostgreSQL store; a SQLite store has one."""
    memory_limit: int = 65_536
    """Maximum octets of a content in a row; larger ones are large contents."""
    recent_octets: int = 4 * 1024 * 1024
    """Size in octets of the cache of small contents."""
    address_seconds: float = 1.0
    """Seconds that accounts and aliases are cached."""
    group: int = 256
    """Maximum calls in one transaction."""
    orphan_age: float = 3600.0
    """Seconds after which a large content without a letter is deleted; longer than from its end to its acceptance."""
    busy_timeout: float = 10.0
    """Seconds to wait for another process that writes to the same SQLite database."""
    max_pages: int | None = None
    """Maximum pages of 4 KiB of a SQLite database."""
    archiving: bool = False
    """Whether each accepted letter gets an entry in the archive (`mailstack.store.archive`)."""
    notifies_others: bool = True
    """Whether servers in other processes are notified of changed mailboxes in a SQLite database."""


DEFAULTS = StoreSettings()
