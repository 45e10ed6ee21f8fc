"""DNS block lists (RFC 5782): CODE-10."""

from __future__ import annotations

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.policy.dns_checks import DnsBlockLists
from tests.aid import run
from tests.policy.visitor import Dns, Now, Visitor, rcpt, said

LISTED = {"A 7.100.51.198.zen.test": ("127.0.0.2",)}


def lists(dns: Dns, *zones: str) -> DnsBlockLists:
    return DnsBlockLists(zones or ("zen.test",), dns, Now())


def test_a_listed_client_is_refused_and_told_by_whom() -> None:
    verdict = run(lists(Dns(LISTED)).at_recipient(Visitor(), rcpt()))
    assert said(verdict) == "550 5.7.1"
    assert "198.51.100.7 is listed by zen.test" in str(verdict)
    assert said(run(lists(Dns(LISTED)).at_connection(Visitor()))) == "554 5.7.1"


def test_the_second_list_is_asked_when_the_first_has_nothing() -> None:
    assert said(run(lists(Dns(LISTED), "other.test", "zen.test").at_recipient(Visitor(), rcpt()))) == "550 5.7.1"


@pytest.mark.parametrize("answer", [None, (), ("192.0.2.1",), ("127.255.255.254",), ("::1",)])
def test_a_list_that_fails_blocks_nobody(answer: tuple[str, ...] | None) -> None:
    """Silent, gone and sold to somebody else, or unwilling to answer us."""
    dns = Dns({"A 7.100.51.198.zen.test": answer})
    assert said(run(lists(dns).at_recipient(Visitor(), rcpt()))) == ""


def test_an_ipv6_client_is_looked_up_by_its_half_octets() -> None:
    name = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.test"
    dns = Dns({f"A {name}": ("127.0.0.4",)})
    assert said(run(lists(dns).at_recipient(Visitor(HostPort("2001:db8::1", 1)), rcpt()))) == "550 5.7.1"


def test_an_answer_is_believed_for_a_while() -> None:
    dns = Dns(LISTED)
    asked = lists(dns)
    for _ in range(3):
        run(asked.at_recipient(Visitor(), rcpt()))
    assert len(dns.asked) == 1


def test_the_postmaster_hears_everybody_and_loopback_is_never_asked_about() -> None:
    dns = Dns(LISTED)
    assert said(run(lists(dns).at_recipient(Visitor(), rcpt("postmaster@home.test")))) == ""
    assert said(run(lists(dns).at_connection(Visitor(HostPort("127.0.0.1", 1))))) == ""
    assert dns.asked == []
