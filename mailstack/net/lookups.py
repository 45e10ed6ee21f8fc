"""DNS lookups with a timeout, and sharing of equal lookups in progress."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailstack.relay.dns import DnsResolver, DnsUnavailable, NoSuchDomain

T = TypeVar("T")


class ReverseNames(DnsResolver, Protocol):
    """DnsResolver that also looks up PTR and TXT records."""

    async def txt(self, name: str) -> tuple[str, ...]:
        """The TXT records of a name; raises NoSuchDomain, DnsUnavailable."""

    async def pointers(self, address: str) -> tuple[str, ...]:
        """The names of an IP address; raises NoSuchDomain, DnsUnavailable."""


class DnsWithTimeout:
    """Lookups of policies, over a DnsResolver."""

    def __init__(self, names: ReverseNames, reactor: IReactorTime, timeout: float) -> None:
        """`timeout` is the seconds for each lookup."""
        self._names = names
        self._reactor = reactor
        self._timeout = timeout

    async def addresses(self, host: str) -> tuple[str, ...] | None:
        return await self._answer(self._names.addresses(host))

    async def exchanges(self, domain: str) -> tuple[str, ...] | None:
        found = await self._answer(self._names.mx(domain))
        return None if found is None else tuple(record.host for record in found)

    async def texts(self, name: str) -> tuple[str, ...] | None:
        return await self._answer(self._names.txt(name))

    async def pointers(self, address: str) -> tuple[str, ...] | None:
        return await self._answer(self._names.pointers(address))

    async def _answer(self, question: Coroutine[Any, Any, tuple[T, ...]]) -> tuple[T, ...] | None:
        asked = Deferred.fromCoroutine(question).addTimeout(self._timeout, self._reactor)
        try:
            return await asked
        except NoSuchDomain:
            return ()
        except (DnsUnavailable, DeferredTimeout):
            return None


class SharedLookups:
    """Lookups in progress, by question. Cancellation of one caller does not affect the others."""

    def __init__(self) -> None:
        self._pending: dict[Hashable, tuple[Deferred[Any], list[Deferred[Any]]]] = {}

    def join(self, question: Hashable, start: Callable[[], Deferred[Any]]) -> Deferred[Any]:
        """The answer to `question`; `start` begins the lookup if none is in progress."""
        if (found := self._pending.get(question)) is None:
            lookup = start()
            if lookup.called:
                return lookup
            found = self._pending[question] = (lookup, [])
            lookup.addBoth(self._answer, question)
        lookup, callers = found
        caller: Deferred[Any] = Deferred(lambda cancelled: self._leave(question, cancelled))
        callers.append(caller)
        return caller

    def _answer(self, result: object, question: Hashable) -> None:
        _, callers = self._pending.pop(question)
        for caller in callers:
            if isinstance(result, Failure):
                caller.errback(result)
            else:
                caller.callback(result)

    def _leave(self, question: Hashable, cancelled: Deferred[Any]) -> None:
        """Remove a cancelled caller; a lookup without callers is cancelled."""
        lookup, callers = self._pending[question]
        callers.remove(cancelled)
        if not callers:
            lookup.cancel()
