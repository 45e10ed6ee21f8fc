"""Nobody relays who has not logged in or is not in a configured network (CODE-01)."""

from __future__ import annotations

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.policy import PASS, Refuse
from mailstack.policy.permissions import Relaying


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
