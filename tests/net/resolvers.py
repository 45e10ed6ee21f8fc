"""Fake resolvers for tests of the DNS client."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.names import common, dns


class Recursive(common.ResolverBase):
    """Resolver that gives the same records to every query, those of other names too."""

    def __init__(self, *answers: dns.RRHeader) -> None:
        super().__init__()
        self._answers = list(answers)
        self.asked = 0

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> Deferred[Any]:
        self.asked += 1
        done: Deferred[Any] = Deferred()
        done.callback((self._answers, [], []))
        return done


def header(name: str, record: Any, ttl: int = 0) -> dns.RRHeader:
    return dns.RRHeader(name.encode(), record.TYPE, dns.IN, ttl, record)
