"""Answers of name servers: whatever Twisted makes of the octets, the relay hears of hosts, or that there are none."""

from __future__ import annotations

import warnings
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.names import dns

from mailstack.net.names import DnsNames
from mailstack.policy.networks import client_of, networks_of, within
from mailstack.relay.names import NamesUnavailable, NoSuchDomain
from tests.aid import run
from tests.parsers.parser import Parser, text, unless


class _Resolver:
    """Gives the records of one message, whatever is asked."""

    def __init__(self, message: dns.Message) -> None:
        self._message = message

    def _answer(self, name: bytes, timeout: Any = None) -> Deferred[Any]:
        return succeed((self._message.answers, self._message.authority, self._message.additional))

    lookupMailExchange = lookupAddress = lookupIPV6Address = lookupPointer = _answer  # noqa: N815


def _decoded(octets: bytes) -> dns.Message | None:
    """None for what Twisted can't read: its datagram protocol drops that, whatever it raises."""
    message = dns.Message()
    try:
        message.fromStr(octets)
    except Exception:  # noqa: BLE001
        return None
    return message


def _names(octets: bytes) -> None:
    message = _decoded(octets)
    if message is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = DnsNames(_Resolver(message), Clock())  # type: ignore[arg-type]
        for asked in (names.mx("x.test"), names.addresses("mx.x.test"), names.pointers("192.0.2.1")):
            try:
                found: Any = run(asked)
            except (NoSuchDomain, NamesUnavailable):
                continue
            assert all(isinstance(each if isinstance(each, str) else each.host, str) for each in found)


def _message(*answers: dns.RRHeader) -> bytes:
    message = dns.Message(id=1, answer=1)
    message.answers = list(answers)
    return message.toStr()


@unless(ValueError)
def _networks(octets: bytes) -> None:
    value = text(octets)
    client_of(value)
    within(value, networks_of(["192.0.2.0/24", "2001:db8::/32"]))
    (network,) = networks_of([value])
    assert networks_of([str(network)]) == (network,)
    assert within(str(network.network_address), [network]) or network.version == 6


PARSERS = (
    Parser(
        "dns-answers",
        ("net.names",),
        _names,
        (
            _message(
                dns.RRHeader(b"x.test", dns.CNAME, ttl=60, payload=dns.Record_CNAME(b"y.test")),
                dns.RRHeader(b"y.test", dns.MX, ttl=60, payload=dns.Record_MX(10, b"mx.x.test")),
                dns.RRHeader(b"mx.x.test", dns.A, ttl=60, payload=dns.Record_A("192.0.2.1")),
                dns.RRHeader(b"mx.x.test", dns.AAAA, ttl=60, payload=dns.Record_AAAA("::1")),
            ),
            _message(dns.RRHeader(b"1.2.0.192.in-addr.arpa", dns.PTR, ttl=60, payload=dns.Record_PTR(b"mx.x.test"))),
            _message(dns.RRHeader(b"x.test", dns.MX, ttl=0, payload=dns.Record_MX(0, b""))),
        ),
    ),
    Parser(
        "networks",
        ("policy.networks",),
        _networks,
        (b"192.0.2.0/24", b"2001:db8::/32", b"::ffff:192.0.2.1", b"fe80::1%eth0"),
    ),
)
