"""Servers that tests borrow: of their own where the programs are, or one that somebody names; else the tests are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import pytest

ServerT = TypeVar("ServerT")


@contextmanager
def borrowed(some: Callable[[], AbstractContextManager[ServerT]], given: str) -> Iterator[ServerT]:
    """`some` raises LookupError with what is missing; `given` is the variable that may name another one."""
    try:
        running = some()
        server = running.__enter__()
    except LookupError as why:
        pytest.skip(f"{why}, and {given} names no server")
    try:
        yield server
    finally:
        running.__exit__(None, None, None)
