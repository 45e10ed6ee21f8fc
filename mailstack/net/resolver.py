"""Resolvers of twisted.names, with timeout, shared lookups and DNSSEC's AD bit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.names import client
from twisted.python.failure import Failure

from mailstack.relay.hosts import DnsResolver, DnsUnavailable, NoSuchDomain


class Resolver(client.Resolver):
    """Resolver that queries name servers."""

    def queryUDP(self, queries: Sequence[Any], timeout: Sequence[int] | None = None) -> Deferred[Any]:  # noqa: N802 (Twisted's name)
        """Fails without a free port. Twisted raises instead, and the same query would then be pending for ever."""
        try:
            answer: Deferred[Any] = super().queryUDP(queries, timeout)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - after any error there is no answer
            return fail()
        return answer


class ValidatedResolver(Resolver):
    """Resolver for trusted name servers that validate DNSSEC; queries have the AD bit (RFC 6840 §5.7)."""

    def filterAnswers(self, message: Any) -> Any:  # noqa: N802
        if message.authenticData and not message.trunc:
            authenticated(message.answers)
        return super().filterAnswers(message)  # type: ignore[no-untyped-call]

    def connectionMade(self, protocol: Any) -> None:  # noqa: N802
        _request_ad(protocol)
        super().connectionMade(protocol)  # type: ignore[no-untyped-call]

    def _connectedProtocol(self, interface: str = "") -> Any:  # noqa: N802
        protocol = super()._connectedProtocol(interface)  # type: ignore[no-untyped-call]
        _request_ad(protocol)
        return protocol


def _request_ad(protocol: Any) -> None:
    """Makes a protocol of twisted.names set the AD bit in every query."""
    write = protocol.writeMessage

    def write_with_ad(message: Any, *address: Any) -> None:
        message.authenticData = 1
        write(message, *address)

    protocol.writeMessage = write_with_ad


def authenticated(answers: Sequence[Any]) -> list[Any]:
    """Marks the records of an answer that had the AD bit (RFC 4035 §3.2.3), and returns them."""
    for record in answers:
        record.authenticated = True
    return list(answers)


def is_authenticated(record: Any) -> bool:
    """Whether `authenticated` has marked the record."""
    return getattr(record, "authenticated", False)


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
        answer = Deferred.fromCoroutine(question).addTimeout(self._timeout, self._reactor)
        try:
            return await answer
        except NoSuchDomain:
            return ()
        except (DnsUnavailable, DeferredTimeout):
            return None


class SharedLookups:
    """Lookups in progress, by question. Cancellation of one caller does not affect other callers."""

    def __init__(self) -> None:
        self._pending: dict[Hashable, tuple[Deferred[Any], list[Deferred[Any]]]] = {}

    def join(self, question: Hashable, start: Callable[[], Deferred[Any]]) -> Deferred[Any]:
        """Returns the answer to `question`; calls `start` if no lookup is in progress."""
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
