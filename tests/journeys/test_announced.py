"""What a server says of itself is what its configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.config import ExchangeSettings, SubmissionSettings
from mailstack.config.syntax import Size
from tests.journeys.internet import Internet, SimulatedServer


@pytest.fixture
def internet(tmp_path: Path) -> Internet:
    return Internet(tmp_path)


def announced(internet: Internet, site: SimulatedServer, port: int) -> int:
    """The octets of SIZE (RFC 1870)."""
    return int(internet.reactor.result_of(internet.session(site, port)).extensions["SIZE"])


async def recipients_taken(internet: Internet, site: SimulatedServer) -> int:
    """How many recipients other hosts may name in one letter."""
    session = await internet.session(site, 25)
    taken = -1
    for line in ("MAIL FROM:<x@y.test>", *["RCPT TO:<alice@home.test>"] * 10):
        session._peer.send(session._engine.command(line))
        taken += (await session._peer.next_event(10)).reply.code == 250
    return taken


def test_size_is_that_of_submission_for_other_hosts_too(internet: Internet) -> None:
    server = internet.mail_server(
        "mx.home.test", "192.0.2.1", domains=["home.test"], submission=SubmissionSettings(max_size=Size(1000))
    )
    assert [announced(internet, server, port) for port in (587, 25)] == [1000, 1000]
    internet.stop()


def test_other_hosts_may_have_limits_of_their_own(internet: Internet) -> None:
    server = internet.mail_server(
        "mx.home.test",
        "192.0.2.1",
        domains=["home.test"],
        submission=SubmissionSettings(max_size=Size(1000)),
        exchange=ExchangeSettings(max_size=Size(500)),
    )
    assert [announced(internet, server, port) for port in (587, 25)] == [1000, 500]
    internet.stop()


@pytest.mark.parametrize(("exchange", "taken"), [(ExchangeSettings(), 3), (ExchangeSettings(max_recipients=5), 5)])
def test_recipients_are_limited_as_in_submission_unless_told_otherwise(
    internet: Internet, exchange: ExchangeSettings, taken: int
) -> None:
    server = internet.mail_server(
        "mx.home.test",
        "192.0.2.1",
        domains=["home.test"],
        accounts=["alice@home.test"],
        submission=SubmissionSettings(max_recipients=3),
        exchange=exchange,
    )
    assert internet.reactor.result_of(recipients_taken(internet, server)) == taken
    internet.stop()
