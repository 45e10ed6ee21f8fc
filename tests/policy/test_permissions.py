"""Permissions: relaying (CODE-01), sender addresses (SUBM-04, CODE-09) and allowed domains."""

from __future__ import annotations

import pytest

from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.policy import PASS, Pass, Refuse
from mailstack.policy.permissions import AllowedDomains, Ownership, Relaying
from mailstack.protocols.smtp.commands import Rcpt
from tests.aid import run
from tests.policy.visitor import Visitor


def test_a_stranger_is_refused_with_550_5_7_1() -> None:
    """CODE-01"""
    verdict = Relaying([]).may_relay(HostPort("192.0.2.1", 4000), None)
    assert isinstance(verdict, Refuse)
    assert str(verdict.reply).startswith("550 5.7.1 ")
    assert "192.0.2.1" in verdict.reason


def test_an_account_may_relay_from_anywhere() -> None:
    assert Relaying([]).may_relay(HostPort("192.0.2.1", 4000), "alice@home.test") is PASS


@pytest.mark.parametrize("host", ["10.0.0.1", "10.255.255.255", "::ffff:10.1.2.3", "::1", "2001:db8::17"])
def test_a_configured_network_may_relay(host: str) -> None:
    policy = Relaying(["10.0.0.0/8", "::1", "2001:db8::/32"])
    assert policy.may_relay(HostPort(host, 25), None) is PASS


@pytest.mark.parametrize("host", ["11.0.0.1", "::2", "2001:db9::1", "", "/run/socket", "localhost", "10.0.0.1x"])
def test_what_is_in_no_network_may_not(host: str) -> None:
    policy = Relaying(["10.0.0.0/8", "::1", "2001:db8::/32"])
    assert isinstance(policy.may_relay(HostPort(host, 25), None), Refuse)


def test_a_network_that_is_none_is_an_error_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        Relaying(["10.0.0.1/8"])


class Owned:
    """Everybody owns their own address only."""

    async def owns(self, account: str, sender: Address) -> bool:
        return sender.key == account


def test_an_owned_sender_passes() -> None:
    assert run(Ownership(Owned()).may_send_as("alice@home.test", Address.parse("Alice@HOME.test"))) is PASS


def test_the_null_reverse_path_is_everybodys() -> None:
    assert run(Ownership(Owned()).may_send_as("alice@home.test", None)) is PASS


def test_another_sender_is_refused_with_553_5_7_1() -> None:
    """CODE-09"""
    verdict = run(Ownership(Owned()).may_send_as("alice@home.test", Address.parse("bob@home.test")))
    assert isinstance(verdict, Refuse)
    assert str(verdict.reply).startswith("553 5.7.1 ")
    assert "bob@home.test" not in verdict.reply.text
    assert verdict.reason == "alice@home.test does not own bob@home.test"


@pytest.mark.parametrize(
    ("recipient", "passes"),
    [("a@home.test", True), ("a@ours.test", True), ("a@mx.ours.test", False), ("a@else.test", False)],
)
def test_only_named_domains_and_our_own_pass(recipient: str, passes: bool) -> None:
    opinion = AllowedDomains(("ours.test",), lambda address: address.domain == "home.test")
    verdict = run(opinion.at_recipient(Visitor(), Rcpt(Address.parse(recipient))))
    assert isinstance(verdict, Pass if passes else Refuse)
