"""Errors of store operations, and their reply codes."""

from __future__ import annotations

from mailstack.protocols.connection import ResourceError


class StoreError(ResourceError):
    """Failed store operation, without any change. str() is the reason, for the log (RFC 5321: 451 4.3.0)."""


class StoreFull(StoreError):
    """Full disk (RFC 5321: 452 4.3.1)."""


class OutcomeUnknown(StoreError):
    """The store was lost during the commit; a retry may make the change twice (RFC 5321: 451 4.3.0)."""


class Damaged(StoreError):
    """Stored data that is invalid and needs repair by an administrator (RFC 3206: SYS/PERM)."""


class Conflict(StoreError):
    """A row was changed since it was read, or a new row exists already."""


class MaildropInUse(StoreError):
    """Another session holds the maildrop (RFC 1939 §4, RFC 2449 §8.1.2: [IN-USE])."""
