"""Connections for several letters, and back-off of hosts."""

from __future__ import annotations

import time
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter import Deferred, Delivered
from mailstack.letter.delivery import RETRY_REQUESTED
from mailstack.letter.envelope import HostPort
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.queue.attempt import Attempt
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


def test_a_host_that_is_down_is_left_alone_for_a_growing_time(world: World) -> None:
    """RLY-13."""
    relay = agent(world)
    waits = []
    for _ in range(5):
        calls, begun = len(world.calls), world.now()
        while len(world.calls) == calls:
            tried = attempt(world, using=relay)
            world.pass_time(1)
        waits.append(world.now() - begun)
    assert waits == [1, 15, 30, 60, 120]
    tried = attempt(world, using=relay)
    assert tried.reached is False
    assert "connection refused; backed off until 00:" in tried.outcomes[0].text
    assert said(tried, "-- mx.elsewhere.test [127.0.0.1]:25: not called (connection refused; backed off until")


@pytest.mark.parametrize("set_by", [-86400.0, 86400.0], ids=["back", "ahead"])
def test_a_host_that_is_down_is_left_alone_no_longer_and_no_shorter_when_the_clock_is_set(
    world: World, set_by: float
) -> None:
    """RLY-13: the time that people are told is the new time of day."""
    relay = agent(world)
    attempt(world, using=relay)
    calls, world.ahead = len(world.calls), set_by
    world.pass_time(13)
    tried = attempt(world, using=relay)
    assert len(world.calls) == calls
    until = time.strftime("%H:%M:%S", time.gmtime(world.now() + 2))
    assert f"backed off until {until}" in tried.outcomes[0].text
    assert {round(each.until - world.now()) for each in relay.delay_reasons(10) if each.until} == {2}
    world.pass_time(2)
    attempt(world, using=relay)
    assert len(world.calls) > calls


def test_a_connection_is_kept_for_its_time_when_the_clock_is_set_back(world: World, server: FakeServer) -> None:
    relay = agent(world)
    attempt(world, using=relay)
    world.ahead = -86400.0
    world.pass_time(3)
    attempt(world, using=relay)
    assert len(world.calls) == 2


def test_one_letter_finds_out_whether_a_host_is_back_and_the_others_do_not_wait_for_it(world: World) -> None:
    world.black_holes.add(HostPort("127.0.0.1", 25))
    there = "[127.0.0.1]"
    relay = agent(world)
    attempt(world, using=relay, destination=there)
    world.pass_time(20)
    letter = letter_to(CAROL)
    probe: list[Attempt] = []
    before, calls = world.now(), len(world.calls)
    world.spawn(keep(relay.deliver(letter, deliveries_of(letter, there)), probe))
    tried = attempt(world, using=relay, destination=there)
    assert world.now() == before
    assert len(world.calls) == calls + 1
    assert "another message is finding out whether it is back" in tried.outcomes[0].text
    world.pass_time(10)
    world.black_holes.clear()
    server = FakeServer(world)
    world.pass_time(60)
    assert probe
    world.pass_time(60)
    assert attempt(world, using=relay, destination=there).reached is True
    assert len(server.letters) == 1
    assert attempt(world, using=relay, destination=there).reached is True


def test_requested_retry_does_not_wait_for_the_end_of_back_off(world: World) -> None:
    relay = agent(world)
    for _ in range(4):
        attempt(world, using=relay)
        world.pass_time(100)
    attempt(world, using=relay)
    server = FakeServer(world)
    letter = letter_to(CAROL)
    hurried = tuple(replace(each, text=RETRY_REQUESTED) for each in deliveries_of(letter))
    world.pass_time(16)
    assert attempt(world, using=relay).reached is False
    assert world.run(relay.deliver(letter, hurried)).reached is True
    assert len(server.letters) == 1


def test_a_host_whose_session_breaks_has_not_served_us(world: World, server: FakeServer) -> None:
    assert attempt(world).reached is True
    server.answers["data"] = HANG_UP
    assert attempt(world).reached is False
    server.answers["data"] = reply(451, "4.3.0", "later")
    assert attempt(world).reached is True
    assert attempt(world, "x@gone.test").reached is None


async def keep(work: Any, into: list[Any]) -> None:
    into.append(await work)
