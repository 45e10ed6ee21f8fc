"""SQLite store on disk for a simulated server."""

from __future__ import annotations

import atexit
import inspect
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.simulation.reactor import SimulatedReactor
from mailstack.sandbox.store_parts import PARTS, WrappedPart
from mailstack.store import Store
from mailstack.store.sqlite import SqliteStore


def sqlite_store(reactor: SimulatedReactor, host: Host) -> Store:
    """New SQLite store in a temporary directory that is removed when the process ends."""
    directory = Path(tempfile.mkdtemp(prefix="mailstack-simulation-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    store: Any = AwaitedStore(SqliteStore(host, directory))
    reactor.hold_time_while(store.busy)
    return store  # type: ignore[no-any-return]


class AwaitedStore:
    """Store that counts its pending calls, so that virtual time waits for them."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._waiting = 0
        for part in PARTS:
            setattr(self, part, WrappedPart(part, getattr(store, part), self._around))

    def busy(self) -> bool:
        """Whether a call is pending."""
        return self._waiting > 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._around(name, lambda: found(*args, **kwargs))

        return call

    async def _around(self, _name: str, operation: Callable[[], Awaitable[Any]]) -> Any:
        self._waiting += 1
        try:
            return await operation()
        finally:
            self._waiting -= 1
