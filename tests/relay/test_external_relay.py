"""External relay of a dev environment, and the loopback guard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.relay.external_relay import ExternalRelay, LoopbackOnly, is_loopback
from mailstack.relay.tls_policy import TlsLevel, smart_host_policy
from tests.relay.world import FakeServer, World

LETTER = b"Received: x\r\nFrom: Ann\r\n <a@b.test>\r\nDate: then\r\nX-From: y\r\n\r\nFrom: body\r\n"


def test_a_letter_is_relayed_as_it_came() -> None:
    assert ExternalRelay("r.test").relayed("a@b.test", LETTER) == ("a@b.test", LETTER)


def test_its_author_may_be_another() -> None:
    sender, octets = ExternalRelay("r.test", override_from="us@r.test").relayed("a@b.test", LETTER)
    assert sender == "us@r.test"
    assert octets == LETTER.replace(b"Ann\r\n <a@b.test>", b"us@r.test")


@pytest.mark.parametrize("keeps", [False, True])
def test_what_is_released_is_of_now(keeps: bool) -> None:
    outlet = ExternalRelay("r.test", return_path="back@r.test", keep_message_id=keeps)
    sender, octets = outlet.released("a@b.test", b"Message-ID: <old>\r\n" + LETTER, b"now", b"<new>")
    assert sender == "back@r.test"
    message_id = b"<old>" if keeps else b"<new>"
    wanted = b"Return-Path: <back@r.test>\r\nMessage-ID: " + message_id + b"\r\n" + LETTER.replace(b"then", b"now")
    assert octets == wanted


@given(st.binary(max_size=200))
def test_of_any_letter_nothing_is_lost_but_what_is_replaced(octets: bytes) -> None:
    _, made = ExternalRelay("r.test", override_from="us@r.test").relayed("", octets)
    assert b"From: us@r.test\r\n" in made
    assert len(made) <= len(octets) + len(b"From: us@r.test\r\n")


@pytest.mark.parametrize(
    ("allowed", "blocked", "taken"),
    [("", "", True), ("@x", "", True), ("@y", "", False), ("", "@x", False), ("@x", "a@", False)],
)
def test_it_takes_letters_for_those_that_fit(allowed: str, blocked: str, taken: bool) -> None:
    assert ExternalRelay("r.test", allowed=allowed, blocked=blocked).allows("a@x.test") is taken


@pytest.mark.parametrize(
    ("outlet", "level", "implicit"),
    [
        (ExternalRelay("r.test"), TlsLevel.OPPORTUNISTIC, False),
        (ExternalRelay("r.test", tls="starttls"), TlsLevel.VERIFIED, False),
        (ExternalRelay("r.test", tls="implicit"), TlsLevel.VERIFIED, True),
        (
            ExternalRelay("r.test", tls="starttls", allow_insecure=True, username="us", password="p"),
            TlsLevel.REQUIRED,
            False,
        ),
        (ExternalRelay("r.test", tls="implicit", allow_insecure=True), TlsLevel.REQUIRED, True),
    ],
)
def test_tls_is_what_was_asked_for(outlet: ExternalRelay, level: TlsLevel, implicit: bool) -> None:
    security = smart_host_policy(outlet.smart_host)
    assert (security.level, security.implicit) == (level, implicit)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.255.255.255", "::1", "0:0:0:0:0:0:0:1"])
def test_loopback_addresses_are_called(host: str) -> None:
    world = World()
    FakeServer(world, host)
    peer = world.run(LoopbackOnly(world).connect(HostPort(host, 25), ClientEngine(), timeout=1))
    assert peer.remote == HostPort(host, 25)


@pytest.mark.parametrize(
    "host",
    [
        "192.0.2.1", "128.0.0.1", "126.255.255.255", "10.0.0.1", "0.0.0.0", "255.255.255.255", "169.254.0.1",
        "224.0.0.1", "::", "::2", "2001:db8::1", "fe80::1", "fe80::1%lo", "::1%eth0", "::ffff:127.0.0.1",
        "::ffff:192.0.2.1", "::127.0.0.1", "64:ff9b::7f00:1", "localhost", "127.0.0.1.elsewhere.test", "127.1",
        "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1 ", "",
    ],
)  # fmt: skip
def test_everything_else_is_refused_before_anything_is_sent(host: str) -> None:
    world = World()
    with pytest.raises(ConnectFailed, match="only loopback"):
        world.run(LoopbackOnly(world).connect(HostPort(host, 25), ClientEngine(), timeout=1))
    assert world.calls == []


def test_an_outlet_is_one_port_and_no_other() -> None:
    world = World()
    FakeServer(world, "192.0.2.1")
    guarded = LoopbackOnly(world, relay_port=25)
    assert world.run(guarded.connect(HostPort("192.0.2.1", 25), ClientEngine(), timeout=1)).remote.host == "192.0.2.1"
    with pytest.raises(ConnectFailed, match="only loopback"):
        world.run(guarded.connect(HostPort("192.0.2.1", 26), ClientEngine(), timeout=1))


@given(st.ip_addresses())
def test_only_two_networks_are_loopback(address: object) -> None:
    text = str(address)
    assert is_loopback(text) is (text == "::1" or text.startswith("127."))
