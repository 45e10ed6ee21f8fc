"""Asks the domain name system within a time, for policies that must not wait: no answer is None."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime

from mailstack.relay.dns import DnsResolver, DnsUnavailable, NoSuchDomain

T = TypeVar("T")


class ReverseNames(DnsResolver, Protocol):
    """Names that also knows PTR and TXT records."""

    async def txt(self, name: str) -> tuple[str, ...]:
        """The TXT records of a name; raises NoSuchDomain, DnsUnavailable."""

    async def pointers(self, address: str) -> tuple[str, ...]:
        """The names of an IP address; raises NoSuchDomain, DnsUnavailable."""


class DnsWithTimeout:
    """A policy.lookups.Lookups over Names."""

    def __init__(self, names: ReverseNames, reactor: IReactorTime, timeout: float) -> None:
        """`timeout` in seconds, for each question."""
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
