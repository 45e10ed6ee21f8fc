"""Fault injection for a server: faulty connector, resolver, TLS and store."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec.structs import replace
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from mailstack.letter.envelope import HostPort
from mailstack.net.clock import ReactorClock
from mailstack.net.resolver import ReverseNames
from mailstack.protocols.connection import ConnectFailed, Connector, Engine, EventT, Peer, Tlsa
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.protocols.pop3.server import Pop3ServerEngine
from mailstack.relay.hosts import DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.sandbox.faults.faults import FaultContext, Faults
from mailstack.sandbox.faults.faulty_peer import InjectionPoint
from mailstack.sandbox.faults.imap import FaultyImap
from mailstack.sandbox.faults.rule import Certificate
from mailstack.sandbox.faults.sessions import FaultyPop3, FaultySmtp
from mailstack.server.runtime import Runtime
from mailstack.store import Store, StoreError, StoreFull

PARTS = (
    "queue",
    "mailboxes",
    "folders",
    "history",
    "contents",
    "accounts",
    "greylist",
    "hold_rules",
    "suppressions",
    "delay_reasons",
    "tls_results",
    "outbox",
)
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


def with_faults(
    runtime: Runtime, faults: Faults, server: str, store: Store, bad_certificates: Shown | None = None
) -> Runtime:
    """Runtime with sessions, handshakes, DNS and connections that fail by the rules of `faults`.

    `store` is that of the server. `bad_certificates` makes the certificates that rules name; without it such a handshake
    fails. Another hook of the runtime comes first.
    """
    clock, first = runtime.clock, runtime.session_hook

    def hook(peer: Peer[Any], engine: Any, server: str, service: str) -> Peer[Any]:
        point = InjectionPoint(faults, server, service, clock, store)
        wrapped = peer if first is None else first(peer, engine, server, service)
        if isinstance(engine, ImapServerEngine):
            return FaultyImap(wrapped, engine, point)
        return (
            FaultyPop3(wrapped, engine, point)
            if isinstance(engine, Pop3ServerEngine)
            else FaultySmtp(wrapped, engine, point)
        )

    return replace(
        runtime,
        network=FaultyConnector(runtime.network, faults, server, clock),
        dns=FaultyResolver(runtime.dns, faults, server, clock),
        tls=FaultyTls(runtime.tls, faults, server, bad_certificates),
        session_hook=hook,
    )


def with_disk_faults(store: Store, faults: Faults, server: str, clock: ReactorClock) -> Store:
    """Store with writes that fail by the rules of `faults`."""
    faulty: Any = FaultyStore(store, faults, server, clock)
    return faulty  # type: ignore[no-any-return]


class FaultyConnector:
    """Connector that fails by rule."""

    def __init__(self, connector: Connector, faults: Faults, server: str, clock: ReactorClock) -> None:
        self._connector = connector
        self._faults = faults
        self._server = server
        self._clock = clock

    async def connect(
        self, address: HostPort, engine: Engine[EventT], *, timeout: float, **demands: Any
    ) -> Peer[EventT]:
        """Connects, or fails by rule. Raises ConnectFailed."""
        rule = None
        if self._faults.any:
            rule = self._faults.choose(FaultContext("call", self._server, client=address.host))
        if rule is not None:
            if rule.delay:
                await self._clock.pause(min(rule.pause, timeout))
            if rule.silence or rule.pause >= timeout:
                await self._clock.pause(timeout - min(rule.pause, timeout))
                raise ConnectFailed(f"no answer within {timeout:.4g} s")
            if rule.drop:
                raise ConnectFailed("connection refused")
        return await self._connector.connect(address, engine, timeout=timeout, **demands)


IMAP_WRITES = (
    *(f"mailboxes.{name}" for name in ("add_keywords", "store_flags", "append", "copy", "move", "expunge")),
    *(f"folders.{name}" for name in ("prepare", "create", "remove", "rename", "subscribe")),
)
"""Store operations by which IMAP clients write."""
WRITES = ("queue.accept", "queue.claim", "queue.settle", "mailboxes.update", *IMAP_WRITES, "greylist.set")
"""Store operations that write."""


class FaultyQueue(WrappedPart):
    """Part `queue` of a store: its settlements fail together."""

    async def settle_together(self, settlements: Sequence[Any]) -> list[Exception | None]:
        """A fault at "queue.settle" fails the whole batch, because it shares one flush to disk."""

        async def settle() -> list[Exception | None]:
            written: list[Exception | None] = await self._part.settle_together(settlements)
            return written

        try:
            result: list[Exception | None] = await self._wrapper("queue.settle", settle)
        except StoreError as error:
            return [error] * len(settlements)
        return result


class FaultyStore:
    """Store that fails writes by rule; a failed write changes nothing."""

    def __init__(self, store: Any, faults: Faults, server: str, clock: ReactorClock) -> None:
        self._store = store
        self._faults = faults
        self._server = server
        self._clock = clock
        self.queue = FaultyQueue("queue", store.queue, self._call)
        self.mailboxes = WrappedPart("mailboxes", store.mailboxes, self._call)
        self.folders = WrappedPart("folders", store.folders, self._call)
        self.greylist = WrappedPart("greylist", store.greylist, self._call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def _call(self, name: str, operation: Callable[[], Awaitable[Any]]) -> Any:
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


TIMEOUT_S = 20.0
"""Timeout of a lookup without an answer, in seconds."""


class FaultyResolver:
    """DNS resolver that fails lookups by rule."""

    def __init__(self, names: ReverseNames, faults: Faults, server: str, clock: ReactorClock) -> None:
        self._resolver = names
        self._faults = faults
        self._server = server
        self._clock = clock

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        return () if await self._is_empty(domain) else await self._resolver.mx(domain)

    async def addresses(self, host: str) -> tuple[str, ...]:
        return () if await self._is_empty(host) else await self._resolver.addresses(host)

    async def txt(self, name: str) -> tuple[str, ...]:
        return () if await self._is_empty(name) else await self._resolver.txt(name)

    async def tlsa(self, name: str) -> tuple[Tlsa, ...]:
        return () if await self._is_empty(name) else await self._resolver.tlsa(name)

    async def signed_name(self, host: str) -> str | None:
        return None if await self._is_empty(host) else await self._resolver.signed_name(host)

    async def pointers(self, address: str) -> tuple[str, ...]:
        return () if await self._is_empty(address) else await self._resolver.pointers(address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resolver, name)

    async def _is_empty(self, name: str) -> bool:
        """Whether a rule answers NODATA. Raises NoSuchDomain, DnsUnavailable."""
        if not self._faults.any:
            return False
        rule = self._faults.choose(FaultContext("dns", self._server, name=name.rstrip(".")))
        if rule is None:
            return False
        if rule.delay:
            await self._clock.pause(rule.pause)
        if rule.answer == "nxdomain":
            raise NoSuchDomain(f"{name}: no such name")
        if rule.answer == "servfail":
            raise DnsUnavailable(f"{name}: the name server failed (SERVFAIL)")
        if rule.answer == "timeout":
            await self._clock.pause(TIMEOUT_S)
            raise DnsUnavailable(f"{name}: no name server answered in time")
        return rule.answer == "nodata"


Shown = Callable[[str, Certificate], IOpenSSLServerConnectionCreator]
"""Factory of invalid TLS contexts: host name and kind in, context out. May raise TlsError, OSError."""


class FaultyTls:
    """TLS contexts of a server (mailstack.server.runtime.TlsContexts), with faults in those of SMTP and POP3."""

    def __init__(self, contexts: Any, faults: Faults, server: str, chooser: Shown | None) -> None:
        self._contexts = contexts
        self._faults = faults
        self._server = server
        self._chooser = chooser

    def context(self, service: str) -> IOpenSSLServerConnectionCreator:
        return FaultyContext(self._contexts.context(service), self._faults, self._server, service, self._chooser)

    def for_web(self) -> IOpenSSLServerConnectionCreator:
        web: IOpenSSLServerConnectionCreator = self._contexts.for_web()
        return web


@implementer(IOpenSSLServerConnectionCreator)
class FaultyContext:
    """TLS context of a server, replaced in handshakes that a rule applies to."""

    def __init__(
        self,
        context: IOpenSSLServerConnectionCreator,
        faults: Faults,
        mail_server: str,
        service: str,
        chooser: Shown | None,
    ) -> None:
        self._context = context
        self._faults = faults
        self._server = mail_server
        self._service = service
        self._chooser = chooser

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        rule = None
        if self._faults.any:
            # Twisted does not know the client's address at this point.
            rule = self._faults.choose(FaultContext("tls", self._server, self._service))
        if rule is None:
            return self._context.serverConnectionForTLS(protocol)
        if rule.tls == "refused" or self._chooser is None:
            # Without a certificate no cipher is shared, so the handshake fails.
            return SSL.Connection(SSL.Context(SSL.TLS_SERVER_METHOD), None)
        assert rule.tls != ""
        return self._chooser(self._server, rule.tls).serverConnectionForTLS(protocol)
