"""Availability check of psycopg and libpq."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple


class Missing(NamedTuple):
    """Missing component, and how to install it."""

    what: str
    cure: str


def missing() -> Missing | None:
    """None if the driver could be loaded."""
    try:
        import psycopg  # noqa: F401, PLC0415  # whether that can be done is the question
    except ImportError as error:
        if importlib.util.find_spec("psycopg") is None:
            return Missing("psycopg, which is not installed", "pip install 'mailstack[postgresql]'")
        return Missing(
            f"libpq, which psycopg does not find here ({' '.join(str(error).split()):.200})",
            "pip install 'psycopg[binary]', or install the system's libpq (Debian: apt install libpq5)",
        )
    return None
