"""Limits on junk commands and on connections of a client."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.config.mail_sections import RelaySettings
from mailstack.config.model import LimitsSettings
from mailstack.config.values import Network
from tests.journeys.internet import Internet, SimulatedServer
from tests.journeys.raw_client import connect

JUNK = [b"NOOP", b"RSET", b"VRFY bob", b"HELP", b"EHLO x", b"MAIL FROM:<x@y.test>\r\nRSET"]


ONE = b"MAIL FROM:<x@y.test>\r\nRCPT TO:<bob@home.test>\r\nDATA\r\n\r\nhello\r\n.\r\n"


def guarded(internet: Internet, address: str = "192.0.2.9", **settings: Any) -> SimulatedServer:
    """A server with the limits of one that is new; its errors are answered at once."""
    limits = LimitsSettings(tarpit=0, **settings)
    relay = RelaySettings(relay_from=(Network("198.51.100.0/24"),))
    return internet.mail_server(
        "mx.else.test", address, "bob@home.test", domains=["home.test"], limits=limits, relay=relay
    )


@pytest.mark.parametrize("junk", JUNK)
def test_commands_that_bring_no_letter_forward_end_a_connection(internet: Internet, junk: bytes) -> None:
    """As Postfix's smtpd_junk_command_limit: beyond 100 of them each is an error, and 20 errors are borne."""
    client = connect(internet, guarded(internet), b"EHLO x\r\n" + (junk + b"\r\n") * 1000)
    assert client.is_gone
    assert client.codes()[-1] == b"421"
    assert len(client.codes()) == 1 + 100 + 20 + 1


def test_a_letter_that_is_taken_makes_good_for_junk(internet: Internet) -> None:
    home = guarded(internet)
    client = connect(internet, home, b"EHLO x\r\n" + (b"NOOP\r\n" * 90 + ONE) * 5 + b"QUIT\r\n")
    assert client.codes().count(b"250") == 1 + 5 * (90 + 3)
    assert client.codes()[-1] == b"221"
    assert len(internet.fetch(home, "bob@home.test")) == 5


def test_a_letter_that_is_refused_makes_good_for_nothing(internet: Internet) -> None:
    bad = b"MAIL FROM:<x@y.test>\r\nRCPT TO:<nobody@home.test>\r\n"
    client = connect(internet, guarded(internet), b"EHLO x\r\n" + (b"RSET\r\n" * 30 + bad) * 100)
    assert client.codes()[-1] == b"421"


@pytest.mark.parametrize(
    ("source", "settings"), [("198.51.100.7", {}), ("203.0.113.66", {"exempt": (Network("203.0.113.66"),)})]
)
def test_exempt_networks_have_no_client_limits(internet: Internet, source: str, settings: dict[str, Any]) -> None:
    home = guarded(internet, **settings)
    clients = [connect(internet, home, source=source) for _ in range(60)]
    assert {client.codes()[0] for client in clients} == {b"220"}
    clients[0].transport.write(b"EHLO x\r\n" + b"NOOP\r\n" * 500)
    internet.reactor.advance(1)
    assert len(clients[0].codes()) == 502


def test_an_address_has_fifty_connections_to_port_25_and_more_to_others(internet: Internet) -> None:
    home = guarded(internet)
    clients = [connect(internet, home) for _ in range(51)]
    assert [client.codes()[0] for client in clients] == [b"220"] * 50 + [b"421"]
    others = [connect(internet, home, port=587), connect(internet, home, source="203.0.113.67")]
    assert [other.codes()[0] for other in others] == [b"220", b"220"]
    clients[0].transport.abortConnection()
    internet.reactor.advance(1)
    assert connect(internet, home).codes() == [b"220"]
