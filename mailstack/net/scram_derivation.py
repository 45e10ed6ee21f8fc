"""SCRAM key derivation of clients, in a thread, with a cache."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.threads import deferToThreadPool

from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl.client import Derive
from mailstack.protocols.sasl.scram_keys import salted
from mailstack.protocols.ttl_cache import TTLCache


def derive_in_thread(reactor: Any, clock: Clock, *, remember: float = 3600.0, capacity: int = 16) -> Derive:
    """Function that calls `salted` in the reactor's thread pool, and caches results for `remember` seconds."""
    known: TTLCache[tuple[str, bytes, int], bytes] = TTLCache(clock.steady, remember, capacity)

    async def derive(password: str, salt: bytes, iterations: int) -> bytes:
        key = (password, salt, iterations)
        found = known.get(key)
        if found is None:
            pool = reactor.getThreadPool()
            found = cast("bytes", await deferToThreadPool(reactor, pool, salted, password, salt, iterations))
            known.put(key, found)
        return found

    return derive
