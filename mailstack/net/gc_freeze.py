"""What a program that serves for long does with the memory of its start."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def settle_memory() -> None:
    """Have Python's cycle collector look at what a letter leaves behind, and not again and again at the program.

    Hardly anything here makes cycles, so it may look more seldom than by default (every 700 objects). What the start
    needed and nobody needs now, a megabyte, goes back to the system, where its C library (glibc) can do that.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
