"""Waits for what other processes and threads bring about, and no longer than that may take on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 30.0
"""Seconds."""
PAUSE = 0.02

T = TypeVar("T")


def until(look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """What `look` gives, once that is true. After `patience` seconds raises AssertionError: `what` has not come."""
    end = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < end, f"for {patience:g} seconds it was not so that {what}"
        time.sleep(PAUSE)
    return found
