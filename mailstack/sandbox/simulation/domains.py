"""DNS zone of a simulated internet, with failures and slow answers."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.interfaces import IReactorTime
from twisted.names import dns
from twisted.names.error import DNSNameError, DNSServerError

from mailstack.net.zone import TlsaRecord, Zone
from mailstack.protocols.connection import Tlsa
from mailstack.sandbox.simulation.durations import seconds_of

TTL = 60
"""Seconds for which an answer may be kept, unless a record says another time."""


class Domains(Zone):
    """The one zone that every host asks. Names that were never mentioned don't exist (NXDOMAIN)."""

    def __init__(self, reactor: IReactorTime) -> None:
        super().__init__({})
        self._reactor = reactor
        self._delays: dict[str, float] = {}

    def mx(self, name: str, host: str, preference: int = 10, *, ttl: int = TTL) -> None:
        """One more mail exchange of a domain; host "." says that it takes no mail (RFC 7505)."""
        self.add(name, dns.Record_MX(preference, host.rstrip("."), ttl))

    def a(self, name: str, *addresses: str, ttl: int = TTL) -> None:
        """IPv4 addresses of a host."""
        self.add(name, *(dns.Record_A(address, ttl) for address in addresses))

    def aaaa(self, name: str, *addresses: str, ttl: int = TTL) -> None:
        """IPv6 addresses of a host."""
        self.add(name, *(dns.Record_AAAA(address, ttl) for address in addresses))

    def cname(self, name: str, target: str, *, ttl: int = TTL) -> None:
        """Another name for a host."""
        self.add(name, dns.Record_CNAME(target, ttl))

    def txt(self, name: str, text: str, *, ttl: int = TTL) -> None:
        """A text, in pieces of 255 octets (RFC 7208 §3.3)."""
        octets = text.encode()
        pieces = [octets[start : start + 255] for start in range(0, len(octets), 255)]
        self.add(name, dns.Record_TXT(*(pieces or [b""]), ttl=ttl))

    def ptr(self, name: str, host: str, *, ttl: int = TTL) -> None:
        """Where a reverse name, such as "1.2.0.192.in-addr.arpa", leads."""
        self.add(name, dns.Record_PTR(host, ttl))

    def tlsa(self, name: str, record: Tlsa, *, ttl: int = TTL) -> None:
        """A TLSA record of a service, "_25._tcp.mx.a.test" (RFC 6698 §3); only `sign`ed names count."""
        self.add(name, TlsaRecord(record, ttl))

    def nxdomain(self, name: str) -> None:
        """The name does not exist, whatever records it has, until `mend`."""
        self.fail(name, DNSNameError)

    def servfail(self, name: str) -> None:
        """The name server fails when it is asked for this name, until `mend`."""
        self.fail(name, DNSServerError)

    def delay(self, name: str, span: float | str) -> None:
        """Answers about this name take so long (seconds, or "30s"); 0 ends that."""
        self._delays[name.lower().rstrip(".")] = seconds_of(span)

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> defer.Deferred[Any]:
        seconds = self._delays.get(name.decode("ascii", "replace").lower().rstrip("."), 0.0) if self._delays else 0.0
        if not seconds:
            return super()._lookup(name, cls, kind, timeout)
        waiting: defer.Deferred[Any] = defer.Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, waiting.callback, None)
        answer = super()._lookup
        return waiting.addCallback(lambda _: answer(name, cls, kind, timeout))
