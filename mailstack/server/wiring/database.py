"""Database address of a configuration."""

from __future__ import annotations

from mailstack.config.model import Config
from mailstack.store.database_address import DatabaseAddress


def reach_of(config: Config) -> DatabaseAddress:
    """For an office whose store is a URL."""
    ours = config.postgresql
    return DatabaseAddress(config.store.url, ours.schema, ours.connect_timeout, ours.timeout)
