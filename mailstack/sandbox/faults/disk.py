"""Faulty store: writes fail or take long by rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mailstack.net.clock import ReactorClock
from mailstack.sandbox.faults.faults import FaultContext, Faults
from mailstack.sandbox.store_parts import WrappedPart
from mailstack.store import StoreError, StoreFull

WRITES = ("accept", "claim", "settle", "update_maildrop", "greylist.set")
"""The operations that write while letters come and go."""


class FaultyStore:
    """A Store that is another one's; nothing is changed by a write that fails, as the interface wants it."""

    def __init__(self, store: Any, faults: Faults, server: str, clock: ReactorClock) -> None:
        self._store = store
        self._faults = faults
        self._server = server
        self._clock = clock
        for name in WRITES:
            if "." not in name:
                setattr(self, name, self._faulty(name, getattr(store, name)))
        self.greylist = WrappedPart("greylist", store.greylist, self._around)

    async def settle_together(self, settlements: Sequence[Any]) -> list[Exception | None]:
        """A fault at "settle" is that of all of them: they share a flush of the disk."""
        try:
            if self._faults.any:
                await self._fail("settle")
        except StoreError as trouble:
            return [trouble] * len(settlements)
        written: list[Exception | None] = await self._store.settle_together(settlements)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _faulty(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        async def faulty(*args: Any, **kwargs: Any) -> Any:
            if self._faults.any:
                await self._fail(name)
            return await write(*args, **kwargs)

        return faulty

    async def _around(self, name: str, operation: Callable[[], Awaitable[Any]]) -> Any:
        if name in WRITES and self._faults.any:
            await self._fail(name)
        return await operation()

    async def _fail(self, name: str) -> None:
        rule = self._faults.choose(FaultContext("disk", self._server, name=name))
        if rule is None:
            return
        if rule.delay:
            await self._clock.pause(rule.pause)
        if rule.error == "full":
            raise StoreFull("the disk says: no space left on device (a fault)")
        if rule.error:
            raise StoreError("the disk says: input/output error (a fault)")
