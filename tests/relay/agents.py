"""Relay agents, names and letters for tests of the relay."""

from __future__ import annotations

from random import Random
from typing import Any

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient
from mailstack.letter.delivery import Delivery
from mailstack.letter.letter import Octets
from mailstack.queue.attempt import Attempt
from mailstack.relay.agent import PublishedTls, RelayAgent, RelayLimits
from mailstack.relay.external_relay import LoopbackOnly
from mailstack.relay.hosts import DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.relay.routing import OwnHost, Routing
from tests.relay.world import World


class FakeNames:
    """Names from two tables; an exception in them is raised."""

    def __init__(self, mx: dict[str, Any] | None = None, addresses: dict[str, Any] | None = None) -> None:
        self._mx = mx or {}
        self._addresses = addresses or {}
        self.asked: list[str] = []

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        return tuple(MailExchange(*each) for each in self._look_up(self._mx, domain))

    async def addresses(self, host: str) -> tuple[str, ...]:
        return tuple(self._look_up(self._addresses, host))

    def _look_up(self, table: dict[str, Any], name: str) -> Any:
        self.asked.append(name)
        found = table.get(name)
        if found is None:
            # A name that the other table has exists.
            if name in self._mx or name in self._addresses:
                return ()
            raise NoSuchDomain(f"{name}: no such name")
        if found == "SERVFAIL":
            raise DnsUnavailable(f"{name}: the name server failed (SERVFAIL)")
        return found


def letter_to(*recipients: str, content: bytes = b"Subject: hello\r\n\r\n.dot\r\n") -> Letter:
    envelope = Envelope(Address.parse("alice@home.test"), tuple(Recipient(Address.parse(each)) for each in recipients))
    return Letter(LetterId("0123456789abcde"), envelope, Octets(content), Arrival(0.0, "mx.home.test", "ESMTP"))


def deliveries_of(letter: Letter, destination: str = "") -> tuple[Delivery, ...]:
    return tuple(
        Delivery(letter.id, number, recipient, destination or recipient.address.domain)
        for number, recipient in enumerate(letter.envelope.recipients)
    )


def relay_agent(names: Any, caller: Any, clock: Any, *, random: Random | None = None, **settings: Any) -> RelayAgent:
    """One whose settings are given flat; those of RelayLimits by the name of their part."""
    structs = [
        kind(**{name: settings.pop(name) for name in kind.__struct_fields__ if name in settings})
        for kind in (Routing, PublishedTls, RelayLimits)
    ]
    own = OwnHost(**{"hostname": "mx.home.test", **settings})
    return RelayAgent(names, caller, clock, own, *structs, random or Random(1))


MX = {"elsewhere.test": [(10, "mx.elsewhere.test"), (20, "backup.elsewhere.test")]}


ADDRESSES = {"mx.elsewhere.test": ["127.0.0.1"], "backup.elsewhere.test": ["127.0.0.2"]}


CAROL = "carol@elsewhere.test"


DAVE = "dave@elsewhere.test"


def agent(world: World, **settings: Any) -> RelayAgent:
    return relay_agent(FakeNames(MX, ADDRESSES), LoopbackOnly(world), world, **settings)


def attempt(
    world: World, *recipients: str, using: RelayAgent | None = None, destination: str = "", **settings: Any
) -> Attempt:
    letter = letter_to(*(recipients or (CAROL,)))
    work = (using or agent(world, **settings)).deliver(letter, deliveries_of(letter, destination))
    return world.run(work)


def many(count: int) -> list[str]:
    """So many recipients at one destination."""
    return [f"user{number}@elsewhere.test" for number in range(count)]


def said(tried: Attempt, line: str) -> bool:
    return any(line in each for each in tried.dialogue)
