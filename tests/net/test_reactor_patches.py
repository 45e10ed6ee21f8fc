"""Reactor patches: bounded turns and accepts, frozen start-up objects, and the switch that disables them."""

from __future__ import annotations

import gc
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection, Port
from twisted.logger import globalLogPublisher

from mailstack.net import reactor_patches
from mailstack.net.reactor_patches import (
    MAX_ACCEPTS,
    MAX_EVENTS,
    MAX_TURN,
    BoundedTurn,
    bound_accepts,
    bound_turns,
    enabled,
    freeze_startup_objects,
)

if not hasattr(select, "epoll"):
    pytest.skip("this system has no epoll", allow_module_level=True)

from twisted.internet.epollreactor import EPollReactor


class Client:
    """Something to say, in a pipe; who has received it notes that."""

    def __init__(self, received: Callable[[Client], object]) -> None:
        self._on_read = received
        self._reader, self._writer = os.pipe()
        self.ends = 0

    def speak(self) -> None:
        os.write(self._writer, b"x")

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    # --- for the reactor

    def fileno(self) -> int:
        return self._reader

    def logPrefix(self) -> str:  # noqa: N802
        return "client"

    def doRead(self) -> None:  # noqa: N802
        os.read(self._reader, 1)
        self._on_read(self)

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        self.ends += 1
        raise ZeroDivisionError


@pytest.fixture
def reactor() -> Iterator[EPollReactor]:
    reactor = EPollReactor()
    bound_turns(reactor)
    yield reactor
    for reader in reactor.removeAll():
        if isinstance(reader, Client):
            reader.close()
    reactor._poller.close()


def clients(reactor: EPollReactor, number: int, received: Callable[[Client], object]) -> list[Client]:
    """So many, who all have something to say."""
    found = [Client(received) for _ in range(number)]
    for client in found:
        reactor.addReader(client)
        client.speak()
    return found


def test_ready_readers_are_served_a_few_in_a_turn(reactor: EPollReactor) -> None:
    received: list[Client] = []
    waiting = clients(reactor, 3 * MAX_EVENTS, received.append)
    for turn in range(1, 4):
        reactor.doIteration(0)
        assert len(received) == turn * MAX_EVENTS
    reactor.doIteration(0)
    assert sorted(map(id, received)) == sorted(map(id, waiting))


def test_no_reader_is_served_twice_while_others_wait(reactor: EPollReactor) -> None:
    """As the kernel has it: who was told goes behind the others."""
    received: list[Client] = []

    def insist(client: Client) -> None:
        received.append(client)
        client.speak()

    clients(reactor, 2 * MAX_EVENTS, insist)
    for _ in range(2):
        reactor.doIteration(0)
    assert len(set(received)) == len(received) == 2 * MAX_EVENTS


def test_failing_reader_is_dropped_and_logged_and_the_others_are_served(reactor: EPollReactor) -> None:
    """The connection that raises, and raises again when it is told that it is lost."""
    received: list[Client] = []

    def fail(client: Client) -> None:
        received.append(client)
        if len(received) == 1:
            raise ZeroDivisionError

    told: list[object] = []
    globalLogPublisher.addObserver(told.append)
    try:
        clients(reactor, 5, fail)
        for _ in range(5):
            # A turn ends after ten milliseconds, which a traceback may take on a busy machine.
            if len(received) < 5:
                reactor.doIteration(0)
    finally:
        globalLogPublisher.removeObserver(told.append)
    assert len(received) == 5
    assert received[0].ends == 1
    assert len(told) >= 2
    received[0].speak()
    reactor.doIteration(0)
    assert len(received) == 5
    received[0].close()


def test_reader_removed_in_the_same_turn_is_not_served(reactor: EPollReactor) -> None:
    received: list[Client] = []

    def be_alone(client: Client) -> None:
        received.append(client)
        for other in two:
            reactor.removeReader(other)

    two = clients(reactor, 2, be_alone)
    reactor.doIteration(0)
    assert len(received) == 1
    for client in two:
        client.close()


class Slow:
    """Each event takes a third of the time of a turn, by a clock of its own."""

    def __init__(self) -> None:
        self.received: list[Client] = []
        self.now = 0.0

    def receive(self, client: Client) -> None:
        self.received.append(client)
        self.now += MAX_TURN / 3 + 1e-6


def test_turn_ends_in_time_and_the_next_one_begins_with_the_rest(reactor: EPollReactor) -> None:
    slow = Slow()
    reactor.doIteration = BoundedTurn(reactor, lambda: slow.now)  # type: ignore[method-assign]
    waiting = clients(reactor, 8, slow.receive)
    reactor.doIteration(0)
    assert len(slow.received) == 3
    later = clients(reactor, 2, slow.receive)
    for so_far in (6, 8):
        reactor.doIteration(0)
        assert len(slow.received) == so_far
    assert set(slow.received) == set(waiting)
    reactor.doIteration(0)
    assert set(slow.received) == {*waiting, *later}


def test_reader_with_a_reused_descriptor_is_not_mistaken_for_the_old_one(reactor: EPollReactor) -> None:
    slow = Slow()
    reactor.doIteration = BoundedTurn(reactor, lambda: slow.now)  # type: ignore[method-assign]
    waiting = clients(reactor, 4, slow.receive)
    reactor.doIteration(0)
    (left,) = set(waiting) - set(slow.received)
    reactor.removeReader(left)
    descriptor = left.fileno()
    left.close()
    reactor.removeReader(slow.received[0])
    (other,) = clients(reactor, 1, slow.receive)
    assert other.fileno() == descriptor
    os.read(descriptor, 1)  # it has nothing to say any longer, and would block
    reactor.doIteration(0)
    assert len(slow.received) == 3


def test_other_reactors_are_left_alone() -> None:
    clock = Clock()
    bound_turns(clock)
    assert not hasattr(clock, "doIteration")


def test_a_burst_of_connections_is_taken_a_few_at_a_time(
    reactor: EPollReactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[object] = []
    port = Port(0, Factory(), interface="127.0.0.1", reactor=reactor)
    port.startListening()
    bound_accepts(port)
    monkeypatch.setattr(port.factory, "buildProtocol", taken.append)
    place = port.getHost()
    with ExitStack() as stack:
        stack.callback(port.socket.close)
        for _ in range(MAX_ACCEPTS + 8):
            stack.enter_context(socket.create_connection((place.host, place.port), 10))
        for expected in (MAX_ACCEPTS, MAX_ACCEPTS + 8):
            reactor.doIteration(10)
            assert len(taken) == expected
        reactor.removeReader(port)


def test_startup_objects_are_frozen() -> None:
    # pytest_collection of tests/conftest.py froze what was collected.
    gc.unfreeze()
    freeze_startup_objects()
    assert gc.get_freeze_count() > 10_000


@pytest.mark.parametrize(
    ("value", "on"),
    [(None, True), ("on", True), ("", True), ("off", False), ("OFF", False), ("0", False), ("no", False)],
)
def test_the_environment_switches_all_patches_off(value: str | None, *, on: bool) -> None:
    assert enabled({} if value is None else {reactor_patches.SWITCH: value}) is on


def test_without_patches_the_reactor_is_as_twisted_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactor_patches, "ENABLED", False)
    plain = EPollReactor()
    port = Port(0, Factory(), interface="127.0.0.1", reactor=plain)
    iteration, accept, frozen = plain.doIteration, port.doRead, gc.get_freeze_count()
    bound_turns(plain)
    bound_accepts(port)
    freeze_startup_objects()
    assert plain.doIteration == iteration
    assert port.doRead == accept
    assert gc.get_freeze_count() == frozen
    plain.removeAll()
    plain._poller.close()


@pytest.mark.parametrize("on", [True, False], ids=["patched", "plain"])
def test_a_reply_goes_out_at_once_only_with_the_patch(monkeypatch: pytest.MonkeyPatch, *, on: bool) -> None:
    monkeypatch.setattr(reactor_patches, "ENABLED", on)
    plain = EPollReactor()
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        connection = Connection(ours, Protocol(), plain)
        connection.connected = 1
        reactor_patches.write(connection, b"250 OK\r\n")
        ready, _, _ = select.select([theirs], [], [], 0)
        assert bool(ready) is on
        if not on:
            plain.doIteration(1)
        assert theirs.recv(100) == b"250 OK\r\n"
        plain.removeAll()
        plain._poller.close()
        ours.close()
