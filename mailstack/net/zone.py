"""DNS zone in memory, and its records as text."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.names import common, dns
from twisted.names.error import DNSNameError, DNSServerError

from mailstack.letter import AddressError
from mailstack.letter.address import ascii_domain, parse_domain
from mailstack.net.dns import TLSA
from mailstack.net.resolver import authenticated
from mailstack.protocols.connection import Tlsa


class TlsaRecord(dns.UnknownRecord):
    """TLSA record (RFC 6698 §2.1), for which twisted.names has no class."""

    TYPE: Any = TLSA

    def __init__(self, record: Tlsa, ttl: int | None = None) -> None:
        super().__init__(bytes((record.usage, record.selector, record.matching)) + record.data, ttl)  # type: ignore[no-untyped-call]


Record = Any
"""Record of `twisted.names.dns`: Record_MX, Record_A, Record_AAAA, Record_CNAME, Record_TXT …"""

_NO_RECORDS: tuple[list[Any], list[Any], list[Any]] = ([], [], [])


class Zone(common.ResolverBase):
    """Resolver for these names alone; the caller follows CNAMEs.

    With `everything_else` every other domain exists too, with that host as its only MX.
    """

    def __init__(self, records: Mapping[str, Sequence[Record]], *, everything_else: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._records = {_key(name): list(each) for name, each in records.items()}
        self._everything_else = everything_else
        self._signed: set[str] = set()
        self._failures: dict[str, type[Exception]] = {}
        self.queries: list[tuple[str, int]] = []
        """Last 1000 queries, each with name and type."""

    def add(self, name: str, *records: Record) -> None:
        """Add records to a name; without records, the name exists and is empty."""
        self._records.setdefault(_key(name), []).extend(records)

    def replace(self, name: str, *records: Record) -> None:
        self._records[_key(name)] = list(records)

    def records(self) -> dict[str, list[Record]]:
        return {name: list(records) for name, records in self._records.items()}

    def remove(self, name: str) -> None:
        self._records.pop(_key(name), None)

    def sign(self, *names: str) -> None:
        """Mark later answers about these names as validated by DNSSEC."""
        self._signed.update(_key(name) for name in names)

    def fail(self, name: str, error: type[Exception] = DNSServerError) -> None:
        """Answer every query for a name with an error of `twisted.names.error`, or a timeout, until `mend`."""
        self._failures[_key(name)] = error

    def mend(self, name: str) -> None:
        """Answer queries for a name again after `fail`."""
        self._failures.pop(_key(name), None)

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> defer.Deferred[Any]:
        """Answer of every lookup of ResolverBase. There is no timeout, because no server is queried."""
        del timeout
        key = _key(name.decode("ascii", "replace"))
        self.queries = [*self.queries[-999:], (key, kind)]
        if (error := self._failures.get(key)) is not None:
            return defer.fail(error(key))
        records = self._records_of(key)
        if records is None:
            return defer.fail(DNSNameError(key))
        chosen = [each for each in records if kind in (each.TYPE, dns.ALL_RECORDS)]
        chosen = chosen or [each for each in records if each.TYPE == dns.CNAME]
        if not chosen:
            return defer.succeed(_NO_RECORDS)
        answers = [dns.RRHeader(name, each.TYPE, cls, each.ttl or 0, each) for each in chosen]
        return defer.succeed((authenticated(answers) if key in self._signed else answers, [], []))

    def _records_of(self, key: str) -> list[Record] | None:
        """Records of a name. None: no such name."""
        records = self._records.get(key)
        if records is None and self._everything_else is not None:
            return [dns.Record_MX(10, self._everything_else)]
        return records


def _key(name: str) -> str:
    return name.lower().rstrip(".")


TTL = 60
"""Time to live of records in seconds; short, because users change the zone."""
MAX_TEXT = 4096
TYPES = ("A", "AAAA", "CNAME", "MX", "TXT")


def read_record(kind: str, text: str) -> Any:
    """Parses a record of `twisted.names.dns`. Raises ValueError with the expected form."""
    text = text.strip()
    match kind.upper():
        case "A":
            return dns.Record_A(str(ipaddress.IPv4Address(text)), TTL)
        case "AAAA":
            if "%" in text:
                raise ValueError("an AAAA record has no interface: remove the % and what follows it")
            return dns.Record_AAAA(str(ipaddress.IPv6Address(text)), TTL)
        case "CNAME":
            return dns.Record_CNAME(read_name(text), TTL)
        case "MX":
            preference, _, host = text.partition(" ")
            if not preference.isdecimal() or not int(preference) < 65536 or not host.strip():
                raise ValueError('an MX record is a preference and a host, as "10 mx.home.test", or "0 ." for no mail')
            # RFC 7505: null MX.
            name = "" if host.strip() == "." else read_name(host.strip())
            return dns.Record_MX(int(preference), name, TTL)
        case "TXT":
            octets = text.encode()
            if not octets or len(octets) > MAX_TEXT:
                raise ValueError(f"a TXT record has from 1 to {MAX_TEXT} octets")
            # RFC 1035 §3.3: strings of at most 255 octets, which clients join.
            strings = [octets[at : at + 255] for at in range(0, len(octets), 255)]
            return dns.Record_TXT(*strings, ttl=TTL)
    raise ValueError(f"the type is one of {', '.join(TYPES)}")


def read_name(text: str) -> str:
    """Parses a domain name into lower case and A-labels; labels may begin with an underscore. Raises ValueError."""
    labels = text.strip().rstrip(".").split(".")
    try:
        plain = ".".join(label.removeprefix("_") for label in labels)
        if not plain or plain.startswith("["):
            raise ValueError("expected a domain name such as mx.home.test")
        ascii_domain(parse_domain(plain))
        return ".".join(label if label.isascii() else ascii_domain(label) for label in labels).lower()
    except AddressError as error:
        raise ValueError(str(error)) from None


def record_text(record: Any) -> tuple[str, str]:
    """Type and value, as `read_record` parses them. Empty value: the type has no text form."""
    match record:
        case dns.Record_A():
            return "A", str(record.dottedQuad())
        case dns.Record_AAAA():
            return "AAAA", str(ipaddress.IPv6Address(record.address))
        case dns.Record_CNAME():
            canonical: Any = record.name
            return "CNAME", canonical.name.decode("ascii", "replace")
        case dns.Record_MX():
            host: Any = record.name
            return "MX", f"{record.preference} {host.name.decode('ascii', 'replace') or '.'}"
        case dns.Record_TXT():
            return "TXT", b"".join(record.data).decode("utf-8", "replace")
    return dns.QUERY_TYPES.get(record.TYPE, str(record.TYPE)), ""
