"""Error translation from psycopg to the store's exceptions."""

from __future__ import annotations

import psycopg

from mailstack.store import StoreError, StoreFull
from mailstack.store.worker_threads import trouble as trouble_of_system

_FULL = {"53100"}
_COLLISIONS = {"40001", "40P01"}
"""Serialization failure and deadlock: the same once more is likely to work."""
_LATE = {"57014", "55P03", "25P03", "25P04"}
"""A statement, a lock or a transaction took longer than it may."""


def code_of(error: BaseException) -> str:
    """The SQLSTATE, or an empty text."""
    return (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""


def is_collision(error: BaseException) -> bool:
    """Whether a concurrent transaction caused the error, so that a retry may succeed."""
    return code_of(error) in _COLLISIONS


def is_late(error: BaseException) -> bool:
    """Whether the database is too busy: then each of a group alone would only wait as long again."""
    return code_of(error) in _LATE


def trouble(error: BaseException) -> BaseException:
    """As `mailstack.store.worker_threads.trouble`. No password is in what the database or the driver say."""
    if isinstance(error, psycopg.Error):
        code = code_of(error)
        kind = StoreFull if code in _FULL else StoreError
        said = error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
        return kind(f"the database says: {said[:500]}" + (f" ({code})" if code else ""))
    if isinstance(error, UnicodeError):
        return StoreError(f"a value can't be stored: {error}")
    return trouble_of_system(error)
