"""DNS client with a cache, over any Twisted resolver."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime, IResolver
from twisted.names import dns, hosts, resolve
from twisted.names.error import (
    AuthoritativeDomainError,
    DNSFormatError,
    DNSNameError,
    DNSNotImplementedError,
    DNSQueryRefusedError,
    DNSServerError,
)

from mailstack.net.resolver import Resolver, SharedLookups, ValidatedResolver, is_authenticated
from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.connection import Tlsa
from mailstack.relay.hosts import DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.relay.trouble import clean

RESOLV_CONF = "/etc/resolv.conf"

TLSA = 52
"""Type number of TLSA records (RFC 6698 §7.1), which twisted.names does not decode."""
_MAX_NAME = 253
"""Maximum number of octets of a name without its final dot (RFC 1035 §2.3.4)."""
_MAX_LABEL = 63
_TLSA_HEAD = 3
"""Octets of a TLSA record before the data: usage, selector, matching type."""

_Records = list[Any]
"""List of dns.RRHeader; Twisted has no types for its payload."""

MIN_TTL = 1.0
"""Minimum seconds in the cache: one delivery attempt uses an answer more than once."""

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (DNSServerError, "the name server failed (SERVFAIL)"),
    (DNSQueryRefusedError, "the name server refused the query (REFUSED)"),
    (DNSNotImplementedError, "the name server does not implement such queries (NOTIMP)"),
    (DNSFormatError, "the name server did not understand the query (FORMERR)"),
    (DeferredTimeout, "no name server answered in time"),
    (CancelledError, "no name server answered in time"),
)


class DnsNames:
    """Resolver that follows CNAMEs, distinguishes errors, and caches answers for their TTL.

    Negative answers are cached too, for the time in the SOA record (RFC 2308 §5).
    """

    def __init__(
        self,
        resolver: IResolver,
        reactor: IReactorTime,
        *,
        timeouts: Sequence[int] = (2, 4, 8),
        max_aliases: int = 8,
        max_records: int = 50,
        max_entries: int = 2000,
        max_age: float = 3600.0,
        max_entry_size: int = 16_384,
    ) -> None:
        """`timeouts` are the seconds before each retry of a query; after the last one the lookup fails.

        `max_aliases` limits a chain of CNAMEs, `max_records` the records used of one answer, `max_entries` and `max_age`
        (seconds) the cache, `max_entry_size` (octets of memory) one answer in it.
        """
        self._resolver = resolver
        self._reactor = reactor
        self._timeouts = tuple(timeouts)
        self._max_aliases = max_aliases
        self._max_records = max_records
        self._max_entry_size = max_entry_size
        self._cache: TTLCache[tuple[str, int], _Records | NoSuchDomain] = TTLCache(
            reactor.seconds, max_age, max_entries
        )
        self._lookups = SharedLookups()

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        """The MX records of a domain; raises NoSuchDomain, DnsUnavailable."""
        return tuple(
            MailExchange(record.payload.preference, _name_text(record.payload.name), is_authenticated(record))
            for record in await self._records(domain, dns.MX)
        )

    async def txt(self, name: str) -> tuple[str, ...]:
        """The TXT records of a name; raises NoSuchDomain, DnsUnavailable."""
        records = await self._records(name, dns.TXT)
        return tuple(b"".join(record.payload.data).decode("utf-8", "replace") for record in records)

    async def srv(self, name: str) -> tuple[str, ...]:
        """The SRV records of a name, each as in a zone file: priority, weight, port, target.

        Raises NoSuchDomain, DnsUnavailable.
        """
        found = [record.payload for record in await self._records(name, dns.SRV)]
        return tuple(f"{each.priority} {each.weight} {each.port} {_name_text(each.target)}." for each in found)

    async def signed_name(self, host: str) -> str | None:
        """The name with a host's addresses, if DNSSEC validated them; else None. Raises DnsUnavailable."""
        problem = None
        for kind in (dns.A, dns.AAAA):
            try:
                if records := await self._records(host, kind):
                    return _owner_name(records[0]) if all(is_authenticated(record) for record in records) else None
            except NoSuchDomain:
                continue
            except DnsUnavailable as trouble:
                problem = trouble
        if problem is not None:
            raise problem
        return None

    async def tlsa(self, name: str) -> tuple[Tlsa, ...]:
        """The TLSA records of a name that DNSSEC validated; raises DnsUnavailable."""
        try:
            records = await self._records(name, TLSA)
        except NoSuchDomain:
            return ()
        signed = [record.payload.data for record in records if is_authenticated(record)]
        return tuple(read_tlsa(octets) for octets in signed if len(octets) > _TLSA_HEAD)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host, both families; raises NoSuchDomain, DnsUnavailable.

        One family is enough, because some name servers fail for AAAA and answer for A.
        """
        if host == "localhost" or host.endswith(".localhost"):
            return ("127.0.0.1", "::1")  # RFC 6761 §6.3: never sent to the DNS
        lookups = [Deferred.fromCoroutine(self._records(host, kind)) for kind in (dns.A, dns.AAAA)]
        found: list[str] = []
        problems: list[NoSuchDomain | DnsUnavailable] = []
        for answer in lookups:
            try:
                found += [_address(record) for record in await answer]
            except (NoSuchDomain, DnsUnavailable) as problem:
                problems.append(problem)
        if problems and not found:
            raise next((each for each in problems if isinstance(each, DnsUnavailable)), problems[0])
        return tuple(found)

    async def pointers(self, address: str) -> tuple[str, ...]:
        """The names of an IP address by its PTR records (RFC 1035 §3.5); raises NoSuchDomain, DnsUnavailable."""
        where = ip_address(address).reverse_pointer
        return tuple(_name_text(record.payload.name) for record in await self._records(where, dns.PTR))

    async def _records(self, name: str, kind: int) -> _Records:
        """The records of one type, at the end of a chain of CNAMEs that may need several queries."""
        name = name.lower().rstrip(".")
        if not _is_valid(name):
            # A resolver would answer with an error, as for a failed name server. The author of a letter chooses such
            # names, and must not turn checks into temporary errors by them.
            raise NoSuchDomain(f"{clean(name)}: no such name")
        if (cached := self._cache.get((name, kind))) is not None:
            if isinstance(cached, NoSuchDomain):
                raise NoSuchDomain(str(cached))
            return cached
        found: _Records = await self._lookups.join((name, kind), lambda: self._lookup(name, kind))
        return found

    def _lookup(self, name: str, kind: int) -> Deferred[_Records]:
        # The resolver's own timeouts are for UDP and for each server. A hostile name server may delay each link of a
        # chain, so this timeout is for the whole chain.
        found = Deferred.fromCoroutine(self._resolve(name, kind))
        return found.addTimeout(2 * sum(self._timeouts) + 10, self._reactor)

    async def _resolve(self, name: str, kind: int) -> _Records:
        aliases: _Records = []
        queried = name
        try:
            answers, ttl = await self._query_once(queried, kind)
        except _NoSuchName as missing:
            self._store((name, kind), NoSuchDomain(str(missing)), missing.ttl)
            raise
        current = queried
        for _ in range(self._max_aliases):
            of_current = [record for record in answers if _owner_name(record) == current]
            if found := [record for record in of_current if record.type == kind][: self._max_records]:
                if not all(is_authenticated(alias) for alias in aliases):
                    found = [_unauthenticated(record) for record in found]
                if sum(map(_memory_size, found)) <= self._max_entry_size:
                    self._store((name, kind), found, min(record.ttl for record in (*found, *aliases)))
                return found
            if alias := next((record for record in of_current if record.type == dns.CNAME), None):
                aliases.append(alias)
                current = _name_text(alias.payload.name).lower()
            elif current == queried:
                self._store((name, kind), [], min(ttl, *(record.ttl for record in aliases)) if aliases else ttl)
                return []
            else:
                queried = current
                answers, ttl = await self._query_once(queried, kind)
        raise DnsUnavailable(f"{name}: too many aliases (CNAME)")

    def _store(self, question: tuple[str, int], answer: _Records | NoSuchDomain, ttl: float) -> None:
        self._cache.put(question, answer, max(MIN_TTL, ttl))

    def _query(self, name: bytes, kind: int) -> Deferred[Any]:
        lookup = _LOOKUPS.get(kind)
        if lookup is None:
            return self._resolver.query(dns.Query(name, kind), self._timeouts)
        answer: Deferred[Any] = getattr(self._resolver, lookup)(name, timeout=self._timeouts)
        return answer

    async def _query_once(self, name: str, kind: int) -> tuple[_Records, float]:
        """The answers to one query, and the seconds for which an empty answer is valid. Raises NoSuchDomain, DnsUnavailable."""
        shown = clean(name)  # the target of an alias is untrusted text
        try:
            answers, authority, _ = await self._query(name.encode("ascii"), kind)
        except (DNSNameError, AuthoritativeDomainError) as error:
            message = error.args[0] if error.args else None
            raise _NoSuchName(f"{shown}: no such name", _negative_ttl(getattr(message, "authority", ()))) from None
        except Exception as error:  # any exception of a resolver means that there is no answer
            reason = next((text for kind_of, text in _REASONS if isinstance(error, kind_of)), None)
            raise DnsUnavailable(f"{shown}: {reason or f'the lookup failed ({type(error).__name__})'}") from error
        return list(answers), _negative_ttl(authority)


class _NoSuchName(NoSuchDomain):
    """NXDOMAIN, and the seconds for which it is valid."""

    def __init__(self, text: str, ttl: float) -> None:
        super().__init__(text)
        self.ttl = ttl


def _negative_ttl(authority: Sequence[Any]) -> float:
    """Seconds for which a negative answer is valid (RFC 2308 §5); 0 without a SOA record."""
    return float(min((min(each.ttl, each.payload.minimum) for each in authority if each.type == dns.SOA), default=0))


_LOOKUPS = {
    dns.MX: "lookupMailExchange",
    dns.A: "lookupAddress",
    dns.AAAA: "lookupIPV6Address",
    dns.PTR: "lookupPointer",
    dns.TXT: "lookupText",
    dns.SRV: "lookupService",
}


def read_tlsa(octets: bytes) -> Tlsa:
    """Decodes the data of a TLSA record (RFC 6698 §2.1), which has at least three octets."""
    return Tlsa(octets[0], octets[1], octets[2], bytes(octets[_TLSA_HEAD:]))


def _unauthenticated(record: Any) -> Any:
    """The same record, found by an alias without DNSSEC."""
    record = copy(record)
    record.authenticated = False
    return record


def system_names(reactor: Any, nameservers: Sequence[tuple[str, int]] = (), *, validated: bool = False) -> DnsNames:
    """Resolver with these name servers (address, port), or that of the system: /etc/hosts, then /etc/resolv.conf.

    `validated`: the name servers are trusted to validate DNSSEC.
    """
    if nameservers:
        resolver: Any = ValidatedResolver if validated else Resolver
        return DnsNames(resolver(reactor=reactor, servers=list(nameservers)), reactor)
    local: Any = hosts.Resolver()
    remote: Any = Resolver
    chain: Any = resolve.ResolverChain([local, remote(reactor=reactor, resolv=RESOLV_CONF)])
    return DnsNames(chain, reactor)


def _is_valid(name: str) -> bool:
    """Whether a query can have this name (RFC 1035 §2.3.4)."""
    labels = name.split(".")
    return name.isascii() and len(name) <= _MAX_NAME and all(0 < len(label) <= _MAX_LABEL for label in labels)


def _name_text(name: dns.Name) -> str:
    return name.name.decode("ascii", "replace").rstrip(".")


def _owner_name(record: Any) -> str:
    return _name_text(record.name).lower()


def _memory_size(record: Any) -> int:
    """Approximate octets of memory of a record; one of 64 kB may have as many strings, each an object of its own."""
    data = getattr(record.payload, "data", b"")
    return 500 + (sum([40 + len(each) for each in data]) if isinstance(data, list) else len(data))


def _address(record: Any) -> str:
    return inet_ntop(AF_INET if record.type == dns.A else AF_INET6, record.payload.address)
