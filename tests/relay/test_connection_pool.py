"""Connections that the relay agent uses for several letters."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter import Deferred, Delivered
from mailstack.letter.letter import Octets
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.relay.routes import StaticRoutes
from mailstack.relay.session_opener import ConnectionLimits
from tests.relay.agents import (
    ADDRESSES,
    CAROL,
    MX,
    FakeNames,
    agent,
    attempt,
    deliveries_of,
    letter_to,
    relay_agent,
    said,
)
from tests.relay.world import HANG_UP, FakeServer, World


def test_a_connection_is_used_again(world: World, server: FakeServer) -> None:
    """RLY-13."""
    relay = agent(world)
    for _ in range(3):
        tried = attempt(world, using=relay)
        assert isinstance(tried.outcomes[0], Delivered)
        assert "tls" in tried.facts
    assert server.connections == 1
    assert len(server.letters) == 3
    assert said(tried, "-- on the connection that was open to mx.elsewhere.test [127.0.0.1]:25")
    assert not said(tried, "EHLO"), "a dialogue is of one letter only"


def test_an_idle_connection_is_closed_with_a_goodbye(world: World, server: FakeServer) -> None:
    """RLY-13."""
    relay = agent(world)
    attempt(world, using=relay)
    world.pass_time(3)
    assert server.goodbyes == 1
    attempt(world, using=relay)
    assert server.connections == 2


def test_a_connection_carries_a_limited_number_of_letters(world: World, server: FakeServer) -> None:
    """RLY-13."""
    relay = agent(world, connections=ConnectionLimits(letters=3))
    for _ in range(7):
        attempt(world, using=relay)
    assert server.connections == 3
    assert server.goodbyes == 2


def test_idle_connections_are_limited_in_number(world: World, server: FakeServer) -> None:
    relay = agent(world, connections=ConnectionLimits(max_idle=0))
    attempt(world, using=relay)
    attempt(world, using=relay)
    assert server.connections == 2


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("answer", [HANG_UP, reply(421, None, "idle too long", closes=True)])
def test_a_kept_connection_that_died_is_replaced_at_once(
    world: World, server: FakeServer, stage: str, answer: Reply
) -> None:
    relay = agent(world)
    attempt(world, using=relay)

    def once(_: object) -> Reply:
        del server.answers[stage]
        return answer

    server.answers[stage] = once
    assert isinstance(attempt(world, using=relay).outcomes[0], Delivered)
    assert server.connections == 2
    assert len(server.letters) == 2


def test_a_kept_connection_that_dies_at_the_final_dot_is_not_tried_again_at_once(
    world: World, server: FakeServer
) -> None:
    """RLY-10: that could be a second copy; the schedule decides."""
    relay = agent(world)
    attempt(world, using=relay)
    server.answers["final"] = HANG_UP
    assert isinstance(attempt(world, using=relay).outcomes[0], Deferred)
    assert server.connections == 1


def test_a_connection_is_never_shared_between_ways(world: World, server: FakeServer) -> None:
    """What one way demands is not lent to another."""
    relay = agent(world, routes=StaticRoutes.parse({"sink.test": "127.0.0.1:25"}))
    attempt(world, using=relay)
    attempt(world, using=relay, destination="sink.test")
    assert server.connections == 2


def test_domains_of_one_host_share_its_connection(world: World, server: FakeServer) -> None:
    names = FakeNames({**MX, "other.test": [(10, "mx.elsewhere.test")]}, ADDRESSES)
    relay = relay_agent(names, world, world)
    attempt(world, using=relay)
    attempt(world, "erin@other.test", using=relay)
    assert server.connections == 1


def test_closing_says_goodbye(world: World, server: FakeServer) -> None:
    relay = agent(world)
    attempt(world, using=relay)
    world.run(relay.close())
    assert server.goodbyes == 1


class Unreadable(Octets):
    async def chunks(self) -> Any:
        yield b"half\r\n"
        raise OSError("the disk is gone")


def test_a_content_that_cannot_be_read_is_never_sent_as_whole(world: World, server: FakeServer) -> None:

    letter = replace(letter_to(CAROL), content=Unreadable(b"x" * 100))
    with pytest.raises(OSError, match="disk"):
        world.run(agent(world).deliver(letter, deliveries_of(letter)))
    world.pass_time(10)
    assert server.letters == []
    assert server.peers[0].other.closed
