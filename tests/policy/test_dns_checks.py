"""DNS policies: block lists (CODE-10), domains (CODE-23) and names of clients (PTR-01)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.policy.dns_checks import ClientNames, DnsBlockLists, RecipientDomain, ReverseDnsRequired, SenderDomain
from tests.aid import run
from tests.policy.visitor import Dns, Now, Visitor, mail, rcpt, said

LISTED = {"A 7.100.51.198.zen.test": ("127.0.0.2",)}


def lists(dns: Dns, *zones: str) -> DnsBlockLists:
    return DnsBlockLists(zones or ("zen.test",), dns, Now())


def test_listed_client_is_refused_with_the_name_of_the_list() -> None:
    verdict = run(lists(Dns(LISTED)).at_recipient(Visitor(), rcpt()))
    assert said(verdict) == "550 5.7.1"
    assert "198.51.100.7 is listed by zen.test" in str(verdict)
    assert said(run(lists(Dns(LISTED)).at_connection(Visitor()))) == "554 5.7.1"


def test_the_second_list_is_asked_when_the_first_has_nothing() -> None:
    assert said(run(lists(Dns(LISTED), "other.test", "zen.test").at_recipient(Visitor(), rcpt()))) == "550 5.7.1"


@pytest.mark.parametrize("answer", [None, (), ("192.0.2.1",), ("127.255.255.254",), ("::1",)])
def test_failing_list_blocks_no_client(answer: tuple[str, ...] | None) -> None:
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


def test_postmaster_accepts_listed_clients_and_loopback_is_not_looked_up() -> None:
    dns = Dns(LISTED)
    assert said(run(lists(dns).at_recipient(Visitor(), rcpt("postmaster@home.test")))) == ""
    assert said(run(lists(dns).at_connection(Visitor(HostPort("127.0.0.1", 1))))) == ""
    assert dns.asked == []


@pytest.mark.parametrize(
    ("records", "sender", "words"),
    [
        ({"MX no.test": ("",)}, "eve@no.test", "550 5.7.27"),
        ({"MX yes.test": ("mx.yes.test",)}, "eve@yes.test", ""),
        ({"A old.test": ("192.0.2.1",)}, "eve@old.test", ""),
        ({}, "eve@nowhere.test", "550 5.1.8"),
        ({"MX silent.test": None}, "eve@silent.test", ""),
        ({"A silent.test": None}, "eve@silent.test", ""),
        ({}, "eve@[192.0.2.1]", ""),
        ({}, "", ""),
    ],
)
def test_sender_without_a_mail_host_is_refused(records: dict[str, tuple[str, ...]], sender: str, words: str) -> None:
    assert said(run(SenderDomain(Dns(dict(records))).at_sender(Visitor(), mail(sender)))) == words


@pytest.mark.parametrize(
    ("records", "recipient", "words"),
    [
        ({"MX no.test": ("",)}, "bob@no.test", "556 5.1.10"),
        ({"MX yes.test": ("mx.yes.test",)}, "bob@yes.test", ""),
        ({"A old.test": ("192.0.2.1",)}, "bob@old.test", ""),
        ({}, "bob@nowhere.test", "550 5.1.2"),
        ({"MX silent.test": None}, "bob@silent.test", ""),
        ({"A silent.test": None}, "bob@silent.test", ""),
        ({}, "bob@routed.test", ""),
        ({}, "bob@[192.0.2.1]", ""),
    ],
)
def test_a_domain_that_takes_no_mail_is_refused(
    records: dict[str, tuple[str, ...]], recipient: str, words: str
) -> None:
    policy = RecipientDomain(Dns(dict(records)), lambda address: address.domain != "routed.test")
    assert said(run(policy.at_recipient(Visitor(), rcpt(recipient)))) == words


HOST = "198.51.100.7"


@pytest.mark.parametrize(
    ("pointers", "addresses", "answer"),
    [
        (("mail.other.test",), (HOST,), ""),
        (("liar.test", "mail.other.test"), (HOST,), ""),
        ((), (HOST,), "550 5.7.25"),
        (("mail.other.test",), ("198.51.100.8",), "550 5.7.25"),
        (None, (), ""),
        (("mail.other.test",), None, ""),
    ],
)
def test_who_has_no_confirmed_name_is_refused(
    pointers: tuple[str, ...] | None, addresses: tuple[str, ...] | None, answer: str
) -> None:
    """CODE-25: 550 5.7.25 (RFC 7372 §3.3); a DNS that does not answer refuses nobody."""
    dns = Dns({f"PTR {HOST}": pointers, "A mail.other.test": addresses})
    assert said(run(ReverseDnsRequired(dns).at_recipient(Visitor(), rcpt()))) == answer


def test_postmaster_and_loopback_need_no_host_name() -> None:
    """CODE-25: RFC 5321 §4.5.1."""
    nameless = ReverseDnsRequired(Dns())
    assert said(run(nameless.at_recipient(Visitor(), rcpt("postmaster@home.test")))) == ""
    assert said(run(nameless.at_recipient(Visitor(HostPort("127.0.0.1", 1)), rcpt()))) == ""


PTR = "PTR 198.51.100.7"


def names(dns: Dns, spawned: list[Coroutine[Any, Any, None]] | None = None, **limits: Any) -> ClientNames:
    return ClientNames(dns, Now(), run if spawned is None else spawned.append, **limits)


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ({PTR: ("mx.other.test",), "A mx.other.test": ("198.51.100.7",)}, "mx.other.test"),
        ({PTR: ("MX.Other.test",), "A mx.other.test": ("192.0.2.1", "198.51.100.7")}, "mx.other.test"),
        ({PTR: ("mx.bank.test",), "A mx.bank.test": ("192.0.2.1",)}, ""),
        ({PTR: ("liar.test", "mx.other.test"), "A mx.other.test": ("198.51.100.7",)}, "mx.other.test"),
        ({PTR: ("a) by evil (x",)}, ""),
        ({PTR: ()}, ""),
        ({PTR: None}, ""),
        ({PTR: ("mx.other.test",), "A mx.other.test": None}, ""),
    ],
)
def test_only_a_confirmed_name_is_known(records: dict[str, tuple[str, ...] | None], name: str) -> None:
    known = names(Dns(records))
    known.start_lookup("198.51.100.7")
    assert known.cached("198.51.100.7") == name
    assert run(names(Dns(records)).resolve("198.51.100.7")) == name


def test_nobody_waits_and_a_host_is_asked_about_once() -> None:
    spawned: list[Coroutine[Any, Any, None]] = []
    dns = Dns({PTR: ("mx.other.test",), "A mx.other.test": ("198.51.100.7",)})
    known = names(dns, spawned)
    known.start_lookup("198.51.100.7")
    known.start_lookup("198.51.100.7")
    assert known.cached("198.51.100.7") == ""
    for work in spawned:
        run(work)
    known.start_lookup("198.51.100.7")
    assert known.cached("198.51.100.7") == "mx.other.test"
    assert len(spawned) == 1


def test_look_ups_at_once_are_bounded_and_loopback_has_no_name() -> None:
    spawned: list[Coroutine[Any, Any, None]] = []
    known = names(Dns(), spawned, max_lookups=3)
    for host in ("127.0.0.1", "::1", "", *(f"198.51.100.{number}" for number in range(9))):
        known.start_lookup(host)
    assert len(spawned) == 3
    for work in spawned:
        work.close()
