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


@pytest.mark.parametrize(
    ("verdict", "hosts"),
    [
        (Pass, ["10.0.0.1", "10.255.255.255", "::ffff:10.1.2.3", "::1", "2001:db8::17"]),
        (Refuse, ["11.0.0.1", "::2", "2001:db9::1", "", "/run/socket", "localhost", "10.0.0.1x"]),
    ],
)
def test_only_a_configured_network_may_relay(verdict: type[Pass | Refuse], hosts: list[str]) -> None:
    policy = Relaying(["10.0.0.0/8", "::1", "2001:db8::/32"])
    for host in hosts:
        assert isinstance(policy.may_relay(HostPort(host, 25), None), verdict), host


def test_an_invalid_network_is_an_error_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        Relaying(["10.0.0.1/8"])


class Owned:
    """Each account owns its own address only."""

    async def owns(self, account: str, sender: Address) -> bool:
        return sender.key == account


@pytest.mark.parametrize("sender", [Address.parse("Alice@HOME.test"), None])
def test_an_owned_sender_and_the_null_reverse_path_pass(sender: Address | None) -> None:
    assert run(Ownership(Owned()).may_send_as("alice@home.test", sender)) is PASS


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
def test_only_allowed_and_local_domains_pass(recipient: str, passes: bool) -> None:
    policy = AllowedDomains(("ours.test",), lambda address: address.domain == "home.test")
    verdict = run(policy.at_recipient(Visitor(), Rcpt(Address.parse(recipient))))
    assert isinstance(verdict, Pass if passes else Refuse)
