"""Resolver for IP addresses and localhost (RFC 6761 §6.3), without DNS."""
# ruff: noqa: N802, N803 - the names of methods and arguments are Twisted's

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from mailstack.sandbox.simulation.network import LOOPBACK, canonical


@implementer(IHostResolution)
class Resolution(Struct, frozen=True):
    """A look-up that is over when it begins."""

    name: str

    def cancel(self) -> None:
        """Nothing is under way."""


@implementer(IHostnameResolver)
class LiteralNames:
    """The resolver of a host to which no other was given; every other name does not exist."""

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Tell the receiver the addresses of `hostName`, IPv4 first, before this returns."""
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
    """Takes the first address of a resolution."""

    def __init__(self, name: str) -> None:
        self.found: Deferred[str] = Deferred()
        self._name = name

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Wait for it."""

    def addressResolved(self, address: IAddress) -> None:
        if not self.found.called and isinstance(address, IPv4Address):
            self.found.callback(address.host)

    def resolutionComplete(self) -> None:
        if not self.found.called:
            self.found.errback(DNSLookupError(f"no results for hostname lookup: {self._name}"))


def first_address(resolver: IHostnameResolver, name: str) -> Deferred[str]:
    """The first IPv4 address of a name; fails with DNSLookupError."""
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
