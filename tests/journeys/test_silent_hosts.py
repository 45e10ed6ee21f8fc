"""Hosts that accept a connection and then stay silent: letters to other hosts are not delayed."""

from __future__ import annotations

import re
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as TwistedProtocol

from mailstack.letter.delivery import DeliveryState
from mailstack.letter.letter import Octets
from mailstack.store import Filter
from tests.journeys.clients import send
from tests.journeys.process import command, lines_of_json, serve
from tests.journeys.process import server as mail_server
from tests.journeys.test_fairness import TEXT, World, domains_of, many
from tests.nodes.far import FarHost
from tests.waiting import until

SECOND = 1.0
LARGE = Octets(b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 6_000)
STEPS = ("connect", "greeting", "trickle", "EHLO", "STARTTLS", "handshake", "MAIL", "RCPT", "DATA", "content")


class Silent(TwistedProtocol):
    """Answers well until a step, and then no more."""

    def __init__(self, world: SilentWorld, step: str) -> None:
        self._world = world
        self._step = step
        self._octets = b""
        self._content = False

    def connectionMade(self) -> None:  # noqa: N802
        if self._step == "trickle":
            self._trickle()
        elif self._step != "greeting":
            self._say(b"220 here")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._octets += data
        while b"\r\n" in self._octets and self._step not in {"greeting", "trickle"}:
            line, self._octets = self._octets.split(b"\r\n", 1)
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        verb = line.partition(b" ")[0].decode("ascii", "replace")
        if self._content:
            self._content = line != b"."
            verb = "" if self._content else "final"
        if verb == self._step:
            self._step = "trickle"  # what comes is heard no more
        elif verb == "EHLO":
            self._say(b"250-here\r\n250 STARTTLS" if self._step in {"STARTTLS", "handshake"} else b"250 here")
        elif verb == "STARTTLS":
            self._say(b"220 go on")
            self._step = "trickle"
        elif verb == "DATA":
            self._say(b"354 go on")
            self._content = True
            if self._step == "content":
                self.transport.pauseProducing()  # type: ignore[union-attr]
        elif verb:
            self._say(b"250 ok")

    def _trickle(self) -> None:
        """One octet a minute, of a reply that has no end."""
        assert self.transport is not None
        if self.connected:
            self.transport.write(b"2")
            self._world.internet.reactor.callLater(60, self._trickle)

    def _say(self, line: bytes) -> None:
        assert self.transport is not None
        self.transport.write(line + b"\r\n")


class Late(Silent):
    """Greets after some seconds, and takes letters then."""

    def connectionMade(self) -> None:  # noqa: N802
        self._world.internet.reactor.callLater(float(self._step), self._greet)

    def _greet(self) -> None:
        if self.connected:
            self._step = "none"
            self._say(b"220 here")

    def _hear(self, line: bytes) -> None:
        if line.startswith(b"RCPT"):
            self._world.named(line.decode().partition("<")[2].partition(">")[0])
        super()._hear(line)


class SilentWorld(World):
    """One server, with hosts of each kind."""

    def silent(self, domains: list[str], step: str = "greeting", host: type[Silent] = Silent) -> None:
        """A silent host of its own for each."""
        for domain in domains:
            factory = Factory.forProtocol(lambda: host(self, step))
            factory.noisy = False
            self.internet.reactor.host(self._host([domain])).listenTCP(25, factory)

    @property
    def now(self) -> float:
        return self.internet.reactor.seconds() - self._begun

    def waits(self, *recipients: str) -> list[float]:
        """How long after its submission each letter was named to its host."""
        begun = self.now
        self.send(*recipients)
        self.internet.run(lambda: self.arrived.keys() >= set(recipients), at_most=1000)
        return [self.arrived[recipient] - begun for recipient in recipients]

    def records(self) -> list[Any]:
        return self.internet.result_of(self.home.store.history.records(Filter(limit=10_000)))

    def steps(self, letter: Any) -> list[Any]:
        return list(self.internet.result_of(self.home.store.history.steps(letter)))


def besieged(count: int, step: str) -> SilentWorld:
    """A world in which so many letters for silent hosts have just come in; known.test took a letter before."""
    world = SilentWorld("opportunistic" if step in {"STARTTLS", "handshake"} else "never")
    world.good(["known.test", *[f"new{number}.test" for number in range(20)]], delay=0.01)
    world.waits("first@known.test")
    silent = many(count, at="silent{}.test")
    if step == "connect":
        for domain in domains_of(silent):
            world.dead(domain)
    else:
        world.silent(domains_of(silent), step)
    world.send(*silent, content=LARGE if step == "content" else TEXT)
    return world


def test_two_thousand_hosts_that_never_greet_keep_no_letter_waiting_and_lose_none() -> None:
    """RLY-13: at any time, for a domain that is known and for one that is new."""
    world = besieged(2000, "greeting")
    for number, later in enumerate((0.0, 0.3, 2, 9, 40, 100, 250)):
        world.internet.advance(later)
        assert max(world.waits(f"x{number}@known.test", f"x{number}@new{number}.test")) < SECOND
    silent = [each for each in world.records() if str(each.deliveries[0].recipient.address).endswith("silent0.test")]
    told = [step for step in world.steps(silent[0].letter.id) if step.step == "deferred"]
    assert told
    assert "no reply for 1" in told[0].facts["reply"]
    world.internet.advance(600)
    states = Counter(each.deliveries[0].state for each in world.records())
    assert states == {DeliveryState.QUEUED: 2000, DeliveryState.RELAYED: 15}
    assert all(each.deliveries[0].attempts for each in world.records())


@pytest.mark.parametrize("step", STEPS)
def test_a_host_may_fall_silent_at_any_step(step: str) -> None:
    """RLY-13."""
    world = besieged(150 if step == "content" else 400, step)
    for number, later in enumerate((0.0, 0.3, 2, 9, 30, 100, 300)):
        world.internet.advance(later)
        assert max(world.waits(f"x{number}@known.test", f"x{number}@new{number}.test")) < SECOND


def test_behind_the_final_dot_a_silent_host_has_a_minute_for_it_may_have_the_letter() -> None:
    """RFC 1047: only new domains wait, and only once for each such host."""
    world = besieged(400, "final")
    assert max(world.waits("a@known.test", "a@new0.test")) < 61
    for number, later in enumerate((1.0, 30.0, 60.0, 200.0)):
        world.internet.advance(later)
        known, new = world.waits(f"x{number}@known.test", f"x{number}@new{number}.test")
        assert known < SECOND
        assert new < 61


def test_with_connections_to_spare_a_host_has_the_five_minutes_of_the_standard() -> None:
    """RFC 5321 §4.5.3.2.1"""
    world = SilentWorld()
    world.silent(domains_of(many(40, at="silent{}.test")))
    world.silent(["late.test"], "290", Late)
    world.send(*many(40, at="silent{}.test"))
    (wait,) = world.waits("x@late.test")
    assert 290 <= wait < 291
    (record,) = [each for each in world.records() if str(each.deliveries[0].recipient.address) == "x@late.test"]
    world.internet.advance(5)
    assert record.deliveries[0].attempts == 1


def test_among_silent_hosts_one_that_greets_late_still_has_its_time() -> None:
    world = besieged(200, "greeting")
    world.silent(["late.test"], "8", Late)
    assert world.waits("x@late.test")[0] < 60
    world.internet.advance(5)
    (record,) = [each for each in world.records() if str(each.deliveries[0].recipient.address) == "x@late.test"]
    assert record.deliveries[0].state is DeliveryState.RELAYED
    assert record.deliveries[0].attempts == 1


def test_among_silent_hosts_the_next_host_of_a_domain_is_called() -> None:
    """RLY-07."""
    world = SilentWorld()
    world.silent(["backed.test"])
    world.internet.zone.mx("backed.test", "backup.test", 1000)
    world.good(["unused.test"])
    world.internet.zone.a("backup.test", f"198.19.0.{world._hosts}")
    silent = many(200, at="silent{}.test")
    world.silent(domains_of(silent))
    world.send(*silent)
    assert world.waits("x@backed.test")[0] < 60


def test_hosts_that_come_back_get_each_letter_once() -> None:
    world = SilentWorld()
    silent = many(300, at="silent{}.test")
    world.silent(domains_of(silent), "9", Late)
    world.send(*silent)
    world.internet.run(lambda: world.arrived.keys() >= set(silent), at_most=3600)
    world.internet.advance(3600)
    assert Counter(each.deliveries[0].state for each in world.records()) == {DeliveryState.RELAYED: 300}


def test_a_server_that_stops_among_silent_hosts_ends_in_time_and_loses_nothing() -> None:
    world = besieged(300, "greeting")
    world.internet.advance(20)
    began = world.now
    world.internet.stop()
    assert world.now - began < 20


SILENT = 60
SOON = 10.0
"""Seconds on a busy machine; a silent host is waited for thirty times as long."""


def configured(directory: Path, far: int, silent: list[int]) -> Path:
    config = mail_server(directory)
    routes = "".join(f'"silent{number}.test" = "127.0.0.1:{port}"\n' for number, port in enumerate(silent))
    text = re.sub(
        r"\[relay\.routes\].*",
        f'[relay]\nconcurrency = 20\n[relay.routes]\n"far.test" = "127.0.0.1:{far}"\n{routes}',
        config.read_text(),
        flags=re.DOTALL,
    )
    config.write_text(text)
    return config


def queued(config: Path) -> list[dict[str, Any]]:
    return lines_of_json(command("queue", "list", "--json", "-c", str(config)))


@pytest.mark.parametrize("workers", [1, 2])
def test_letters_leave_beside_silent_hosts_and_after_a_kill(tmp_path: Path, workers: int) -> None:
    """RLY-13."""
    with ExitStack() as stack:
        far = stack.enter_context(FarHost())
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(SILENT)]
        config = configured(tmp_path, far.port, [each.getsockname()[1] for each in listeners])
        for round_ in range(2):
            with serve(config, workers=workers) as server:
                if not round_:
                    send(server.ports["submission"], "silent", *(f"x@silent{number}.test" for number in range(SILENT)))
                for number in range(3):
                    token = f"{round_}-{number}"
                    send(server.ports["submission"], token, "bob@far.test")
                    until(lambda: far.copies[token, "bob@far.test"], f"{token} has left", SOON)  # noqa: B023
                # What has left is written down, so that the kill doubles nothing.
                until(lambda: len(queued(config)) == 1, "only the letter to silent hosts is queued")
                server.kill()
        (waiting,) = queued(config)
        assert len(waiting["deliveries"]) == SILENT
        assert set(far.copies.values()) == {1}
