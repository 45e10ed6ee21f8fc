"""The guard of the local environment: nothing ever leaves the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.relay.external_relay import LoopbackOnly, is_loopback
from tests.relay.world import FakeServer, World


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.255.255.255", "::1", "0:0:0:0:0:0:0:1"])
def test_loopback_addresses_are_called(host: str) -> None:
    world = World()
    FakeServer(world, host)
    peer = world.run(LoopbackOnly(world).call(HostPort(host, 25), ClientEngine(), timeout=1))
    assert peer.remote == HostPort(host, 25)


@pytest.mark.parametrize(
    "host",
    [
        "192.0.2.1",
        "128.0.0.1",
        "126.255.255.255",
        "10.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "169.254.0.1",
        "224.0.0.1",
        "::",
        "::2",
        "2001:db8::1",
        "fe80::1",
        "fe80::1%lo",
        "::1%eth0",
        "::ffff:127.0.0.1",
        "::ffff:192.0.2.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "localhost",
        "127.0.0.1.elsewhere.test",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1 ",
        "",
    ],
)
def test_everything_else_is_refused_before_anything_is_sent(host: str) -> None:
    world = World()
    with pytest.raises(ConnectFailed, match="only loopback"):
        world.run(LoopbackOnly(world).call(HostPort(host, 25), ClientEngine(), timeout=1))
    assert world.calls == []


def test_an_outlet_is_one_port_and_no_other() -> None:
    world = World()
    FakeServer(world, "192.0.2.1")
    guarded = LoopbackOnly(world, relay_port=25)
    assert world.run(guarded.call(HostPort("192.0.2.1", 25), ClientEngine(), timeout=1)).remote.host == "192.0.2.1"
    with pytest.raises(ConnectFailed, match="only loopback"):
        world.run(guarded.call(HostPort("192.0.2.1", 26), ClientEngine(), timeout=1))


@given(st.ip_addresses())
def test_only_two_networks_are_loopback(address: object) -> None:
    text = str(address)
    assert is_loopback(text) is (text == "::1" or text.startswith("127."))
