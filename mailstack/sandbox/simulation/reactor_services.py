"""Reactor services: system event triggers, thread pool, and resolver of IP addresses."""
# ruff: noqa: N802, N803 - the names of methods and arguments are Twisted's

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, field
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.sandbox.simulation.network import LOOPBACK, canonical

PHASES = ("before", "during", "after")


class Trigger(Struct, eq=False):
    """Trigger of a system event, as `removeSystemEventTrigger` accepts it."""

    phase: str
    """Phase: one of PHASES."""
    event: str
    func: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kw: dict[str, Any] = field(default_factory=dict)


class SystemEvents:
    """Triggers of events such as "startup" and "shutdown"; each is called once."""

    def __init__(self, bug: Callable[[str, Exception], None]) -> None:
        """`bug` reports exceptions of triggers; the other triggers still run."""
        self._bug = bug
        self._triggers: list[Trigger] = []

    def add(self, trigger: Trigger) -> Trigger:
        """Adds a trigger. Raises KeyError for an unknown phase, as Twisted's reactors do."""
        if trigger.phase not in PHASES:
            raise KeyError("invalid phase")
        self._triggers.append(trigger)
        return trigger

    def remove(self, trigger: Trigger) -> None:
        """Removes a trigger. Raises ValueError for one that was called, removed or never added."""
        self._triggers.remove(trigger)

    def fire(self, event: str) -> None:
        """Calls the triggers "before", waits for their Deferreds, then calls "during" and "after"."""
        waits = [result for result in self._call(event, "before") if isinstance(result, Deferred)]
        DeferredList(waits, consumeErrors=True).addCallback(self._continue, event)

    def _continue(self, results: list[tuple[bool, Any]], event: str) -> None:
        for success, failure in results:
            if not success:
                self._bug(f"before {event}", failure.value)
        self._call(event, "during")
        self._call(event, "after")

    def _call(self, event: str, phase: str) -> list[Any]:
        results = []
        # One at a time: a trigger may add and remove triggers.
        while (trigger := self._next(event, phase)) is not None:
            self._triggers.remove(trigger)
            try:
                results.append(trigger.func(*trigger.args, **trigger.kw))
            except Exception as error:  # noqa: BLE001 - whatever a trigger raises
                self._bug(f"{phase} {event}", error)
        return results

    def _next(self, event: str, phase: str) -> Trigger | None:
        return next((t for t in self._triggers if (t.event, t.phase) == (event, phase)), None)


OnResult = Callable[[bool, Any], object]


class InlineThreadPool:
    """Thread pool with the interface of `twisted.python.threadpool.ThreadPool`; work needs no virtual time."""

    min = 0
    max = 1
    workers = 1
    joined = False

    def __init__(self, next_turn: Callable[..., None], bug: Callable[[str, Exception], None]) -> None:
        """`next_turn` schedules a function for the reactor's next turn; `bug` reports exceptions of work without a callback."""
        self._next_turn = next_turn
        self._bug = bug
        self.started = True

    def start(self) -> None:
        """Starts the pool; it is always ready."""
        self.started = True

    def stop(self) -> None:
        """Rejects new work; accepted work is still done."""
        self.joined = True

    def adjustPoolsize(self, minthreads: int | None = None, maxthreads: int | None = None) -> None:
        """Ignores the sizes: the pool has no threads."""

    def callInThread(self, func: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Runs work in the next turn."""
        self.callInThreadWithCallback(None, func, *args, **kw)

    def callInThreadWithCallback(
        self, onResult: OnResult | None, func: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """Runs work in the next turn, and calls `onResult` with (True, result) or (False, Failure)."""
        if not self.joined:
            self._next_turn(self._work, onResult, func, args, kw)

    def _work(
        self, on_result: OnResult | None, func: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        try:
            result = func(*args, **kw)
        except Exception as error:  # noqa: BLE001 - whatever the work raises is its result
            if on_result is None:
                self._bug("in a thread", error)
            else:
                on_result(False, Failure(error))
        else:
            if on_result is not None:
                on_result(True, result)


@implementer(IHostResolution)
class Resolution(Struct, frozen=True):
    """Name lookup with its result at hand, so that `cancel` does nothing."""

    name: str

    def cancel(self) -> None:
        """Does nothing: the resolution is complete."""


@implementer(IHostnameResolver)
class LiteralNames:
    """Default resolver of a host: IP addresses and localhost only."""

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Passes the addresses of `hostName` to the receiver at once, IPv4 first."""
        resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for text in _addresses(hostName):
            kind: type[IPv4Address | IPv6Address] = IPv6Address if ":" in text else IPv4Address
            if addressTypes is None or kind in addressTypes:
                resolutionReceiver.addressResolved(kind(transportSemantics, text, portNumber))  # type: ignore[arg-type]
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IResolutionReceiver)
class _First:
    """Receiver of the first IPv4 address of a resolution."""

    def __init__(self, name: str) -> None:
        self.found: Deferred[str] = Deferred()
        self._name = name

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Does nothing."""

    def addressResolved(self, address: IAddress) -> None:
        if not self.found.called and isinstance(address, IPv4Address):
            self.found.callback(address.host)

    def resolutionComplete(self) -> None:
        if not self.found.called:
            self.found.errback(DNSLookupError(f"no results for hostname lookup: {self._name}"))


def first_address(resolver: IHostnameResolver, name: str) -> Deferred[str]:
    """Looks up the first IPv4 address of a name; fails with DNSLookupError."""
    receiver = _First(name)
    resolver.resolveHostName(receiver, name, 0, [IPv4Address])
    return receiver.found


def _addresses(name: str) -> tuple[str, ...]:
    if name.rstrip(".").lower() == "localhost":
        return tuple(LOOPBACK.values())
    try:
        return (canonical(name),)
    except ValueError:
        return ()
