"""Connections are counted in all and for each client (SMTP-26, CODE-16)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.policy import PASS, Defer
from mailstack.policy.limits import ConnectionLimiter, ServiceLimiter
from mailstack.policy.networks import parse_networks


def at(host: str) -> HostPort:
    return HostPort(host, 4000)


def test_beyond_the_total_everybody_hears_421_4_3_2() -> None:
    """CODE-16"""
    limits = ConnectionLimiter(total=2, per_address=10)
    assert limits.admit(at("192.0.2.1")) is PASS
    assert limits.admit(at("192.0.2.2")) is PASS
    verdict = limits.admit(at("192.0.2.3"))
    assert isinstance(verdict, Defer)
    assert str(verdict.reply).startswith("421 4.3.2 too many connections")
    assert verdict.reply.closes


def test_one_client_cannot_take_the_place_of_others() -> None:
    limits = ConnectionLimiter(total=10, per_address=1)
    assert limits.admit(at("192.0.2.1")) is PASS
    assert isinstance(limits.admit(at("192.0.2.1")), Defer)
    assert isinstance(limits.admit(at("::ffff:192.0.2.1")), Defer)
    assert limits.admit(at("192.0.2.2")) is PASS


def test_an_ipv6_site_is_one_client() -> None:
    limits = ConnectionLimiter(total=10, per_address=1)
    assert limits.admit(at("2001:db8::1")) is PASS
    assert isinstance(limits.admit(at("2001:db8::2")), Defer)
    assert limits.admit(at("2001:db8:0:1::1")) is PASS


def test_a_released_connection_makes_room() -> None:
    limits = ConnectionLimiter(total=1, per_address=1)
    assert limits.admit(at("192.0.2.1")) is PASS
    limits.release(at("192.0.2.1"))
    assert limits.open == 0
    assert limits.admit(at("192.0.2.2")) is PASS


def test_a_service_has_its_own_limit_within_that_of_all() -> None:
    everything = ConnectionLimiter(total=3, per_address=10)
    service = ServiceLimiter(everything, 2)
    assert [service.admit(at("192.0.2.1")) is PASS for _ in range(3)] == [True, True, False]
    assert everything.open == 2
    assert service.admit(at("192.0.2.2")) is PASS
    assert isinstance(service.admit(at("192.0.2.3")), Defer)
    service.release(at("192.0.2.1"))
    assert service.admit(at("192.0.2.1")) is PASS
    for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        service.release(at(host))
    assert (everything.open, service._counts.total()) == (0, 0)


def test_exempt_networks_are_only_within_the_total() -> None:
    exempt = parse_networks(["127.0.0.0/8", "::1/128"])
    everything = ConnectionLimiter(total=8, per_address=1, per_minute=1, exempt=exempt)
    service = ServiceLimiter(everything, 1, exempt=exempt)
    for host in ("127.0.0.1", "127.0.0.1", "::1", "::1", "::ffff:127.0.0.1", "", ""):
        assert service.admit(at(host)) is PASS
    assert service.admit(at("192.0.2.1")) is PASS
    assert isinstance(service.admit(at("127.0.0.1")), Defer)
    everything.release(at(""))
    assert isinstance(service.admit(at("192.0.2.1")), Defer)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:1::1"]))))
def test_the_counts_are_those_of_a_plain_list(moves: list[tuple[bool, str]]) -> None:
    limits = ConnectionLimiter(total=4, per_address=2)
    held: list[str] = []
    for comes, host in moves:
        if comes:
            admitted = limits.admit(at(host)) is PASS
            assert admitted == (len(held) < 4 and held.count(host) < 2)
            held += [host] if admitted else []
        elif host in held:
            limits.release(at(host))
            held.remove(host)
        assert limits.open == len(held)
