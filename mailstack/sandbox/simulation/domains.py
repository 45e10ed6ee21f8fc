"""DNS zone of a simulated internet, with failures and slow answers."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.interfaces import IReactorTime
from twisted.names import dns
from twisted.names.error import DNSNameError, DNSServerError

from mailstack.net.zone import TlsaRecord, Zone
from mailstack.protocols.connection import Tlsa
from mailstack.sandbox.simulation.clock import seconds_of

TTL = 60
"""Default TTL of records, in seconds."""


class Domains(Zone):
    """DNS zone that all hosts query. Unknown names do not exist (NXDOMAIN)."""

    def __init__(self, reactor: IReactorTime) -> None:
        super().__init__({})
        self._reactor = reactor
        self._delays: dict[str, float] = {}

    def mx(self, name: str, host: str, preference: int = 10, *, ttl: int = TTL) -> None:
        """Adds an MX record; the host "." is the null MX (RFC 7505)."""
        self.add(name, dns.Record_MX(preference, host.rstrip("."), ttl))

    def a(self, name: str, *addresses: str, ttl: int = TTL) -> None:
        """Adds A records of a host."""
        self.add(name, *(dns.Record_A(address, ttl) for address in addresses))

    def aaaa(self, name: str, *addresses: str, ttl: int = TTL) -> None:
        """Adds AAAA records of a host."""
        self.add(name, *(dns.Record_AAAA(address, ttl) for address in addresses))

    def cname(self, name: str, target: str, *, ttl: int = TTL) -> None:
        """Adds a CNAME record."""
        self.add(name, dns.Record_CNAME(target, ttl))

    def txt(self, name: str, text: str, *, ttl: int = TTL) -> None:
        """Adds a TXT record, in strings of 255 octets (RFC 7208 §3.3)."""
        octets = text.encode()
        pieces = [octets[start : start + 255] for start in range(0, len(octets), 255)]
        self.add(name, dns.Record_TXT(*(pieces or [b""]), ttl=ttl))

    def ptr(self, name: str, host: str, *, ttl: int = TTL) -> None:
        """Adds a PTR record for a reverse name such as "1.2.0.192.in-addr.arpa"."""
        self.add(name, dns.Record_PTR(host, ttl))

    def tlsa(self, name: str, record: Tlsa, *, ttl: int = TTL) -> None:
        """Adds a TLSA record of a service such as "_25._tcp.mx.a.test" (RFC 6698 §3); it counts for `sign`ed names only."""
        self.add(name, TlsaRecord(record, ttl))

    def nxdomain(self, name: str) -> None:
        """Answers NXDOMAIN for a name until `mend`, whatever records it has."""
        self.fail(name, DNSNameError)

    def servfail(self, name: str) -> None:
        """Answers SERVFAIL for a name until `mend`."""
        self.fail(name, DNSServerError)

    def delay(self, name: str, span: float | str) -> None:
        """Delays answers for a name (seconds, or "30s"); 0 removes the delay."""
        self._delays[name.lower().rstrip(".")] = seconds_of(span)

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> defer.Deferred[Any]:
        seconds = self._delays.get(name.decode("ascii", "replace").lower().rstrip("."), 0.0) if self._delays else 0.0
        if not seconds:
            return super()._lookup(name, cls, kind, timeout)
        waiting: defer.Deferred[Any] = defer.Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, waiting.callback, None)
        answer = super()._lookup
        return waiting.addCallback(lambda _: answer(name, cls, kind, timeout))
