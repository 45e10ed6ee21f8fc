"""DNS replies: any octets that Twisted parses give the relay hosts, or none."""

from __future__ import annotations

import warnings
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.names import dns

from mailstack.net.dns import TLSA, DnsNames
from mailstack.net.mta_sts import PolicyFiles
from mailstack.net.proxy_protocol import MAX_V1_HEADER, MAX_V2_HEADER, BadHeader, read_header
from mailstack.net.resolver import authenticated
from mailstack.policy.networks import client_network, contains_host, parse_networks
from mailstack.protocols.connection import Tlsa
from mailstack.relay.hosts import DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.relay.mta_sts import MAX_AGE_S, MAX_HOSTS, NotAPolicy, read_policy, record_id
from mailstack.relay.tls_reports.report import MAX_ADDRESSES, read_record
from tests.aid import run
from tests.parsers.parser import Parser, Pieces, same_in_every_cut, scratch, text, unless, words


class _Resolver:
    """Gives the records of one message, whatever is asked."""

    def __init__(self, message: dns.Message) -> None:
        self._message = message

    def _answer(self, name: bytes, timeout: Any = None) -> Deferred[Any]:
        return succeed((self._message.answers, self._message.authority, self._message.additional))

    lookupMailExchange = lookupAddress = lookupIPV6Address = lookupPointer = lookupText = _answer  # noqa: N815

    def query(self, query: dns.Query, timeout: Any = None) -> Deferred[Any]:
        return self._answer(query.name.name, timeout)


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
        authenticated(message.answers)
        names: Any = DnsNames(_Resolver(message), Clock())  # type: ignore[arg-type]
        for ask, of_what, kind in (
            (names.mx, "x.test", MailExchange),
            (names.addresses, "mx.x.test", str),
            (names.pointers, "192.0.2.1", str),
            (names.txt, "x.test", str),
            (names.tlsa, "_25._tcp.x.test", Tlsa),
            (names.signed_name, "mx.x.test", str),
        ):
            try:
                found: Any = run(ask(of_what))
            except (NoSuchDomain, DnsUnavailable):
                continue
            assert all(isinstance(each, kind) for each in found or ())


def _message(*answers: dns.RRHeader) -> bytes:
    message = dns.Message(id=1, answer=1)
    message.answers = list(answers)
    return message.toStr()


@unless(NotAPolicy)
def _sts_policy(octets: bytes) -> None:
    """STS-02: a policy is read as it was written."""
    policy = read_policy(octets)
    assert 0 <= policy.max_age <= MAX_AGE_S
    assert len(policy.mx) <= MAX_HOSTS
    hosts = "".join([f"mx: {host}\r\n" for host in policy.mx])
    written = f"version: STSv1\r\nmode: {policy.mode}\r\n{hosts}max_age: {policy.max_age}\r\n"
    assert read_policy(written.encode()) == policy
    for host in policy.mx:
        assert policy.matches(host)


def _sts_record(octets: bytes) -> None:
    found = record_id(words(octets))
    assert found is None or record_id([f"v=STSv1; id={found};"]) == found


def _policy_file(octets: bytes) -> None:
    """A file that was kept is read as what it says, or is as none; and what is put back is the same."""
    directory = scratch("policies")
    directory.joinpath("x.test.json").write_bytes(octets)
    files = PolicyFiles(directory)
    kept = files.get("x.test")
    if kept is None:
        return
    try:
        files.put("x.test", kept)
    except UnicodeEncodeError:
        return
    again = files.get("x.test")
    assert again == kept or kept.fetched != kept.fetched


@unless(ValueError)
def _networks(octets: bytes) -> None:
    value = text(octets)
    client_network(value)
    contains_host(value, parse_networks(["192.0.2.0/24", "2001:db8::/32"]))
    (network,) = parse_networks([value])
    assert parse_networks([str(network)]) == (network,)
    assert contains_host(str(network.network_address), [network]) or network.version == 6


def _tlsrpt_record(octets: bytes) -> None:
    """A few addresses, each a mailbox in ASCII or an https URI without blanks."""
    found = read_record(words(octets))
    assert len(found) <= MAX_ADDRESSES
    for each in found:
        assert each.uri.isascii()
        assert each.uri.isprintable()
        assert each.mailbox is not None or each.uri.lower().startswith("https://")
        assert each.mailbox is None or str(each.mailbox).isascii()


def _proxy(octets: bytes) -> None:
    """A complete header is parsed the same in every cut."""

    def play(pieces: Pieces) -> Any:
        heard = b""
        for piece in pieces:
            heard += piece
            try:
                found = read_header(heard)
            except BadHeader:
                return BadHeader
            if found is not None:
                assert found[1] <= len(heard)
                return found
            assert len(heard) < max(MAX_V1_HEADER, MAX_V2_HEADER + 16)
        return None

    same_in_every_cut(octets, play)


PARSERS = (
    Parser(
        "dns-answers",
        ("net.dns",),
        _names,
        (
            _message(
                dns.RRHeader(b"x.test", dns.CNAME, ttl=60, payload=dns.Record_CNAME(b"y.test")),
                dns.RRHeader(b"y.test", dns.MX, ttl=60, payload=dns.Record_MX(10, b"mx.x.test")),
                dns.RRHeader(b"mx.x.test", dns.A, ttl=60, payload=dns.Record_A("192.0.2.1")),
                dns.RRHeader(b"mx.x.test", dns.AAAA, ttl=60, payload=dns.Record_AAAA("::1")),
            ),
            _message(dns.RRHeader(b"1.2.0.192.in-addr.arpa", dns.PTR, ttl=60, payload=dns.Record_PTR(b"mx.x.test"))),
            _message(
                dns.RRHeader(b"x.test", dns.TXT, ttl=60, payload=dns.Record_TXT(b"v=STSv1;", b"id=1;")),
                dns.RRHeader(b"_25._tcp.x.test", TLSA, ttl=60, payload=dns.UnknownRecord(b"\3\1\1" + bytes(32))),
            ),
            _message(dns.RRHeader(b"x.test", dns.MX, ttl=0, payload=dns.Record_MX(0, b""))),
        ),
    ),
    Parser(
        "sts-policy",
        ("relay.mta_sts",),
        _sts_policy,
        (
            b"version: STSv1\r\nmode: enforce\r\nmx: mx.x.test\r\nmx: *.y.test\r\nmax_age: 604800\r\n",
            b"version: STSv1\nmode: none\nmax_age: 0\n",
        ),
    ),
    Parser(
        "policy-file",
        ("net.mta_sts",),
        _policy_file,
        (b'{"id": "1", "fetched": 1.5, "mode": "enforce", "max_age": 604800, "mx": ["mx.x.test", "*.y.test"]}', b"[]"),
    ),
    Parser("sts-record", ("relay.mta_sts",), _sts_record, (b"v=STSv1; id=20160831085700Z;\nv=spf1 -all",)),
    Parser(
        "tlsrpt-record",
        ("relay.tls_reports.report",),
        _tlsrpt_record,
        (
            b"v=TLSRPTv1; rua=mailto:a%2Bb@x.test?subject=1, https://r.x.test:8443/v1\nv=spf1 -all",
            b"v=TLSRPTv1;rua=https://[::1/",
        ),
    ),
    Parser(
        "networks",
        ("policy.networks",),
        _networks,
        (b"192.0.2.0/24", b"2001:db8::/32", b"::ffff:192.0.2.1", b"fe80::1%eth0"),
    ),
    Parser(
        "proxy-header",
        ("net.proxy_protocol",),
        _proxy,
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\nEHLO x\r\n",
            b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
            b"PROXY UNKNOWN whatever\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\xdc\4\0\x19rest",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(36) + b"rest",
            b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
        ),
    ),
)
