"""Wrapper of one part of a store, for faults, crashes and pending calls."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

PARTS = ("accounts", "greylist", "hold_rules", "suppressions", "delay_reasons", "tls_results", "outbox")
"""Names of the parts of `mailstack.store.Store`."""

CallWrapper = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Runs one operation; gets its name, such as "greylist.set", and its coroutine function."""


class WrappedPart:
    """Part of a store that calls each coroutine through `wrapper`."""

    def __init__(self, name: str, part: Any, wrapper: CallWrapper) -> None:
        self._name = name
        self._part = part
        self._wrapper = wrapper

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if inspect.iscoroutinefunction(found):
            operation = f"{self._name}.{name}"

            async def call(*args: Any, **kwargs: Any) -> Any:
                return await self._wrapper(operation, lambda: found(*args, **kwargs))

            setattr(self, name, call)
            return call
        setattr(self, name, found)
        return found
