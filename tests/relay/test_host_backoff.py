"""Back-off of hosts that do not answer."""

from __future__ import annotations

import time
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter.delivery import RETRY_REQUESTED
from mailstack.letter.envelope import HostPort
from mailstack.protocols.smtp.replies import reply
from mailstack.queue.attempt import Attempt
from tests.relay.agents import (
    CAROL,
    agent,
    attempt,
    deliveries_of,
    letter_to,
    said,
)
from tests.relay.world import HANG_UP, FakeServer, World


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
    assert "another letter is finding out whether it is back" in tried.outcomes[0].text
    world.pass_time(10)
    world.black_holes.clear()
    server = FakeServer(world)
    world.pass_time(60)
    assert probe
    world.pass_time(60)
    assert attempt(world, using=relay, destination=there).reached is True
    assert len(server.letters) == 1
    assert attempt(world, using=relay, destination=there).reached is True


def test_an_operator_who_has_mended_a_host_need_not_wait_for_its_time(world: World) -> None:
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
