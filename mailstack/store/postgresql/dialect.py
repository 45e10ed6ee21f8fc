"""SQL dialect of PostgreSQL and psycopg."""

from __future__ import annotations

import re
from functools import lru_cache

_TYPES = {"INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}
_TYPE = re.compile(r"\b(INTEGER|REAL|BLOB|TEXT)\b(?! COLLATE)")
_COMMENT = re.compile(r"--[^\n]*")


@lru_cache(maxsize=8192)
def translated(statement: str) -> str:
    """A statement with `?` for its parameters, as psycopg takes it."""
    return statement.replace("%", "%%").replace("?", "%s").replace(" AS BLOB)", " AS BYTEA)")


def definitions(script: str) -> str:
    """A migration that is written for SQLite. A REAL here has half the digits, and a sort order of texts a language."""
    return _TYPE.sub(lambda found: _TYPES[found[1]], _COMMENT.sub("", script)).replace(" WITHOUT ROWID", "")
