"""DNS zone in memory: a resolver for `mailstack dev`, simulation and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.names import common, dns
from twisted.names.error import DNSNameError, DNSServerError

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

    def put(self, name: str, *records: Record) -> None:
        """Replace the records of a name."""
        self._records[_key(name)] = list(records)

    def known(self) -> dict[str, list[Record]]:
        """All records by name."""
        return {name: list(records) for name, records in self._records.items()}

    def remove(self, name: str) -> None:
        """Remove a name."""
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
        records = self._of(key)
        if records is None:
            return defer.fail(DNSNameError(key))
        chosen = [each for each in records if kind in (each.TYPE, dns.ALL_RECORDS)]
        chosen = chosen or [each for each in records if each.TYPE == dns.CNAME]
        if not chosen:
            return defer.succeed(_NO_RECORDS)
        answers = [dns.RRHeader(name, each.TYPE, cls, each.ttl or 0, each) for each in chosen]
        return defer.succeed((authenticated(answers) if key in self._signed else answers, [], []))

    def _of(self, key: str) -> list[Record] | None:
        """Records of a name. None: no such name."""
        known = self._records.get(key)
        if known is None and self._everything_else is not None:
            return [dns.Record_MX(10, self._everything_else)]
        return known


def _key(name: str) -> str:
    return name.lower().rstrip(".")
