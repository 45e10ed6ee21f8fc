"""Thousands of destinations, some down, slow or large: no destination delays another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as TwistedProtocol

from mailstack.config import RelaySettings
from mailstack.letter import Address, Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.letter import Octets
from mailstack.relay.session_opener import ConnectionLimits
from tests.journeys.internet import Internet, SimulatedServer

HOME = "mx.home.test"
TEXT = Octets(b"Subject: hello\r\n\r\nHello.\r\n")
MINUTE = 60.0


class Taker(TwistedProtocol):
    """The least of a host that takes letters: one answer for each line, in order, each after `delay` seconds."""

    def __init__(self, world: World, delay: float) -> None:
        self._world = world
        self._delay = delay
        self._octets = b""
        self._content = False
        self._free = 0.0

    def connectionMade(self) -> None:  # noqa: N802
        self._say(b"220 here")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._octets += data
        while b"\r\n" in self._octets:
            line, self._octets = self._octets.split(b"\r\n", 1)
            if self._content:
                self._content = line != b"."
                if not self._content:
                    self._say(b"250 taken")
            elif line.startswith(b"EHLO"):
                self._say(b"250-here\r\n250 PIPELINING")
            elif line == b"DATA":
                self._content = True
                self._say(b"354 go on")
            else:
                if line.startswith(b"RCPT"):
                    self._world.named(line.decode().partition("<")[2].partition(">")[0])
                self._say(b"221 bye" if line == b"QUIT" else b"250 ok")

    def _say(self, line: bytes) -> None:
        assert self.transport is not None
        reactor = self._world.internet.reactor
        self._free = max(self._free, reactor.seconds()) + self._delay
        reactor.callLater(self._free - reactor.seconds(), self.transport.write, line + b"\r\n")


class World:
    """One server that sends, and as many hosts as a test likes."""

    def __init__(self, tls: Literal["never", "opportunistic"] = "never") -> None:
        self.internet = Internet()
        self.home: SimulatedServer = self.internet.home("alice@home.test", relay=RelaySettings(tls=tls))
        self.arrived: dict[str, float] = {}
        """When each recipient was first named to its host, in seconds from now on."""
        self._hosts = 0
        self._begun = self.internet.reactor.seconds()

    def named(self, recipient: str) -> None:
        self.arrived.setdefault(recipient, self.internet.reactor.seconds() - self._begun)

    def good(self, domains: Iterable[str], delay: float = 0.0) -> None:
        """One host, which takes what comes for all of them."""
        factory = Factory.forProtocol(lambda: Taker(self, delay))
        factory.noisy = False
        self.internet.reactor.host(self._host(domains)).listenTCP(25, factory)

    def dead(self, domain: str) -> None:
        """A host of its own, from which nothing comes back."""
        address = self._host([domain])
        self.internet.reactor.host(address)
        self.internet.partition("192.0.2.1", address)

    def _host(self, domains: Iterable[str]) -> str:
        """The address of one more host, to which they lead."""
        self._hosts += 1
        name, address = f"mx{self._hosts}.test", f"198.19.{self._hosts >> 8}.{self._hosts & 255}"
        self.internet.zone.a(name, address)
        for domain in domains:
            self.internet.zone.mx(domain, name)
        return address

    def send(self, *recipients: str, content: Octets = TEXT) -> None:
        """One letter for each, all at the same moment."""
        for recipient in recipients:
            now = self.internet.reactor.seconds()
            envelope = Envelope(Address.parse("alice@home.test"), (Recipient(Address.parse(recipient)),))
            letter = Letter(new_letter_id(now), envelope, content, Arrival(now, HOME, "ESMTPSA"))
            self.internet.result_of(self.home.server._pipeline.queue.accept(letter, "submitted"))

    def last_of(self, recipients: Iterable[str]) -> float:
        """When the last of them was named; all were."""
        return max(self.arrived[recipient] for recipient in recipients)


def many(count: int, *, of: int = 1, at: str = "d{}.test") -> list[str]:
    """Addresses at so many domains, or at the `of` first of them in turn."""
    return [f"x{number}@{at.format(number % of if of > 1 else number)}" for number in range(count)]


def domains_of(recipients: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(recipient.partition("@")[2] for recipient in recipients))


def test_one_dead_one_slow_and_one_huge_destination_delay_no_other_of_thousands() -> None:
    """RLY-13."""
    others = many(2000)
    alone = World()
    alone.good(domains_of(others), delay=0.1)
    alone.send(*others)
    alone.internet.run(lambda: len(alone.arrived) == len(others), at_most=10 * MINUTE)

    world = World()
    world.good(domains_of(others), delay=0.1)
    world.dead("dead.test")
    world.good(["slow.test"], delay=20.0)
    world.good(["huge.test"], delay=0.1)
    for number in range(300):
        world.send(f"x{number}@dead.test", f"x{number}@slow.test", f"x{number}@huge.test", f"y{number}@huge.test")
    world.send(*others)
    world.internet.run(lambda: world.arrived.keys() >= set(others), at_most=10 * MINUTE)
    assert world.last_of(others) < 1.25 * alone.last_of(others)


def test_a_hundred_dead_hosts_at_once_hold_up_others_for_a_call_or_two_and_later_not_at_all() -> None:
    """RLY-13: as many calls as there are connections go unanswered, until their time is over."""
    others = many(500)
    world = World()
    world.good(domains_of(others), delay=0.05)
    dead = many(1000, of=100, at="dead{}.test")
    for domain in domains_of(dead):
        world.dead(domain)
    world.send(*dead)
    world.send(*others)
    world.internet.run(lambda: world.arrived.keys() >= set(others), at_most=10 * MINUTE)
    assert world.last_of(others) < 2 * ConnectionLimits().connect + 5
    later = many(500, at="d{}.test")
    later = [f"later-{recipient}" for recipient in later]
    world.internet.advance(5)
    begun = world.internet.reactor.seconds() - world._begun
    world.send(*later)
    world.internet.run(lambda: world.arrived.keys() >= set(later), at_most=10 * MINUTE)
    assert world.last_of(later) - begun < 3


def test_a_huge_destination_gets_all_that_its_host_takes_while_others_come_and_go() -> None:
    world = World()
    world.good(["huge.test"], delay=0.1)
    world.good(domains_of(many(50)), delay=0.1)
    huge = many(1500, at="huge.test")
    world.send(*huge)
    for round_ in range(5):
        world.send(*[f"r{round_}-{each}" for each in many(50)])
        begun = world.internet.reactor.seconds() - world._begun
        world.internet.advance(4)
        assert world.last_of(f"r{round_}-{each}" for each in many(50)) - begun < 4
    world.internet.run(lambda: world.arrived.keys() >= set(huge), at_most=30 * MINUTE)
    # Twenty connections, two turns of 0.1 seconds and more for each letter: about a hundred letters a second at best.
    assert world.last_of(huge) < 120
