"""What can go wrong between nodes, their database and the way between them: each fault happens, lasts, and is healed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from attrs import frozen

from tests.nodes.deployment import LOST_AFTER, Deployment
from tests.nodes.node import faketime


@frozen
class Happened:
    """A fault that is over."""

    name: str
    nodes: tuple[str, ...]
    """Those that it concerned."""
    begun: float
    healed: float
    """When nothing stood in the way any more; both by time.monotonic()."""


Fault = Callable[[Deployment, random.Random], Happened]


def _some(server: Deployment, dice: random.Random) -> tuple[str, ...]:
    """One node mostly, sometimes all but one."""
    names = [node.name for node in server.nodes]
    return tuple(dice.sample(names, dice.choice([1, 1, len(names) - 1])))


def _of_nodes(name: str, longest: float, harm: str, heal: str) -> Fault:
    """A fault of the nodes themselves, by the names of what is done to them."""

    def happen(server: Deployment, dice: random.Random) -> Happened:
        names, begun = _some(server, dice), time.monotonic()
        concerned = [node for node in server.nodes if node.name in names]
        for node in concerned:
            getattr(node, harm)()
        time.sleep(dice.uniform(0, longest))
        healed = time.monotonic()
        for node in concerned:
            getattr(node, heal)()
        return Happened(name, names, begun, healed)

    return happen


def _of_way(name: str, longest: float, harm: str, heal: tuple[str, ...]) -> Fault:
    """A fault of the way to the database."""

    def happen(server: Deployment, dice: random.Random) -> Happened:
        names, begun = _some(server, dice), time.monotonic()
        for each in names:
            getattr(server.proxies[each], harm)()
        time.sleep(dice.uniform(0, longest))
        for each in names:
            for step in heal:
                getattr(server.proxies[each], step)()
        return Happened(name, names, begun, time.monotonic())

    return happen


def _restart(how: str, longest: float) -> Fault:
    def happen(server: Deployment, dice: random.Random) -> Happened:
        begun = time.monotonic()
        server.cluster.stop(how)  # type: ignore[arg-type]
        time.sleep(dice.uniform(0, longest))
        server.cluster.start()
        return Happened(
            f"database restarts ({how})", tuple(node.name for node in server.nodes), begun, time.monotonic()
        )

    return happen


def _slow(server: Deployment, dice: random.Random) -> Happened:
    names, begun = _some(server, dice), time.monotonic()
    for each in names:
        server.proxies[each].delay = dice.uniform(0.005, 0.05)
    time.sleep(dice.uniform(1, 10))
    for each in names:
        server.proxies[each].delay = 0.0
    return Happened("way to the database is slow", names, begun, time.monotonic())


def _silent_host(server: Deployment, dice: random.Random) -> Happened:
    begun = time.monotonic()
    server.far.gate.clear()
    time.sleep(dice.uniform(1, 5))
    server.far.gate.set()
    return Happened("far host is silent", (), begun, time.monotonic())


def _clock(server: Deployment, dice: random.Random) -> Happened:
    names, begun = _some(server, dice), time.monotonic()
    for node in [each for each in server.nodes if each.name in names]:
        node.set_clock(dice.randint(-3600, 3600))
    return Happened("clock is set, by up to an hour", names, begun, time.monotonic())


FAULTS: tuple[Fault, ...] = (
    _of_nodes("node is killed", 10, "kill", "start"),
    _of_nodes("node is killed", 1, "kill", "start"),
    _of_nodes("node is frozen", 3 * LOST_AFTER, "freeze", "thaw"),
    _restart("immediate", 4),
    _restart("fast", 4),
    _of_way("way to the database is reset", 0, "reset", ()),
    _of_way("way to the database is cut", 10, "cut", ("open",)),
    _of_way("way to the database is a black hole", 15, "stall", ("open",)),
    _of_way("way to the database is a black hole, then reset", 15, "stall", ("reset", "open")),
    _slow,
    _silent_host,
    *([] if faketime() is None else [_clock]),
)
