"""Simulated internet of mail servers, users and DNS in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Any, Literal, TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall

from mailstack.config import Config, ListenSettings, RelaySettings, SubmissionSettings
from mailstack.config.values import Domain, HostName
from mailstack.letter import Address, LetterId
from mailstack.net.server_tls import ServerContext
from mailstack.sandbox.simulation.authority import Kind
from mailstack.sandbox.simulation.disk import sqlite_store
from mailstack.sandbox.simulation.durations import seconds_of
from mailstack.sandbox.simulation.host import LONGEST_RUN, Host
from mailstack.sandbox.simulation.https_hosts import Page
from mailstack.sandbox.simulation.journeys import Journey, follow
from mailstack.sandbox.simulation.network import Path
from mailstack.sandbox.simulation.reactor import SimulatedReactor
from mailstack.sandbox.simulation.server import SimulatedServer
from mailstack.sandbox.simulation.transcript import MOST_LINES
from mailstack.sandbox.simulation.users import Author, Reader, Sent
from mailstack.sandbox.simulation.world import World
from mailstack.store import Store
from mailstack.store.sqlite_in_memory import InMemoryStore

T = TypeVar("T")

_OFFICES = ("192.0.2.0/24", "198.51.100.0/24", "198.19.0.0/16")
_PEOPLE = ("203.0.113.0/24", "100.64.0.0/10")
"""Where addresses come from that nobody chose: networks that are nobody's (RFC 5737, RFC 2544, RFC 6598)."""

_LISTEN = ListenSettings(submission=("tcp:587",), mx=("tcp:25",), pop3=("tcp:110",))  # type: ignore[arg-type]


class Internet:
    """Everything there is. The same seed and the same calls give the same transcript, to the octet and the millisecond.

    Nothing of it leaves the process:

        internet = Internet(seed=7)
        internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
        internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
        letter = internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello Bob")
        internet.run()
        (letter_of_bob,) = internet.reader("bob@b.test").collect()
        print(internet.journey(letter), internet.transcript)

    A run of it is turned by whoever calls `run`, `advance`, or anything else that takes virtual time.
    """

    def __init__(self, seed: int = 1, *, path: Path | None = None, transcript: int = MOST_LINES) -> None:
        """`path` lies between hosts where no other was laid. `transcript` is how many lines of dialogue are kept."""
        self._world = world = World(seed, path, transcript)
        self.seed = seed
        self.reactor = world.reactor
        """Twisted's reactor of this internet; `reactor.host(address)` is a reactor for a program on one host."""
        self.zone = world.zone
        """DNS zone that all hosts ask."""
        self.ca = world.ca
        """Certificate authority that all hosts trust."""
        self.transcript = world.transcript
        """Record of all sessions."""
        self.faults = world.faults
        """Injected faults: `internet.faults.add(Fault(at="rcpt", reply="451 4.3.0 not now", times=2))`."""
        self.sites: dict[str, SimulatedServer] = {}
        """Mail servers, by host name."""
        self._addresses = {"servers": _addresses(_OFFICES), "people": _addresses(_PEOPLE)}
        self._people: dict[str, Host] = {}
        self._resting = False

    # --- who is there

    def host(
        self,
        hostname: str,
        address: str = "",
        *,
        domains: Sequence[str] = (),
        accounts: Sequence[str] = (),
        aliases: Mapping[str, Sequence[str]] | None = None,
        store: Store | Literal["memory", "sqlite"] = "memory",
        certificate: Kind | ServerContext = "good",
        **settings: Any,
    ) -> SimulatedServer:
        """A machine with a mail server that works, and with its names in the DNS. Passwords are the accounts' addresses.

        `address` is its IP address; "" takes one that is free. `certificate` is a kind of the authority's, or a context
        of one's own. A From may have any address unless `settings` have a table `submission`. They are tables of the configuration, as
        `policy=Policy(…)` or `relay=Relay(ca_file=internet.ca.file, …)` of `mailstack.config`. Raises ValueError for an address that is taken.
        """
        listen = settings.pop("listen", _LISTEN)
        names = tuple(Domain(each) for each in domains)
        trusting = RelaySettings(ca_file=self.ca.file)
        config = Config(
            hostname=HostName(hostname),
            domains=names,
            listen=listen,
            relay=trusting,
            submission=SubmissionSettings(check_from="allow"),
        )
        host = self.reactor.host(address or self._free("servers"))
        shown = self.ca.context(hostname, certificate) if isinstance(certificate, str) else certificate
        kept = _STORES[store](self.reactor, host) if isinstance(store, str) else store
        self._world.add_server(host, hostname)
        site = SimulatedServer(self._world, host, replace(config, **settings), kept, accounts, aliases or {}, shown)
        self.sites[hostname] = site
        self.result_of(site.begin())
        for each in domains:
            self.zone.mx(each, hostname)
        self.zone.a(hostname, site.address)
        return site

    def author(self, address: str, site: SimulatedServer | None = None) -> Author:
        """Who writes from this account; `site` is its server, where the domain doesn't tell. Raises LookupError."""
        return Author(self._world, address, site or self._server_of(address), self._machine_of(address))

    def reader(self, address: str, site: SimulatedServer | None = None) -> Reader:
        """Who reads at this account; as `author`."""
        return Reader(self._world, address, site or self._server_of(address), self._machine_of(address))

    def publish(self, domain: str, policy: str | bytes, *, id: str = "1", address: str = "", **page: Any) -> Page:  # noqa: A002
        """Have a domain publish an MTA-STS policy (RFC 8461 §3): its record, and an HTTPS host with the file.

        `id` is the one in the record; a policy that is published again is found by a new one. `page` is for `Page`.
        """
        host = f"mta-sts.{domain}"
        at = address or self._free("servers")
        for name in (host, f"_mta-sts.{domain}"):
            self.zone.remove(name)
        self.zone.txt(f"_mta-sts.{domain}", f"v=STSv1; id={id};")
        self.zone.a(host, at)
        found = Page(policy.encode() if isinstance(policy, str) else policy, **page)
        found.listen(self.reactor.host(at), host)
        return found

    # --- time

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self._world.now

    @property
    def date(self) -> datetime:
        """The virtual date, UTC."""
        return self._world.date

    def run(self, until: Callable[[], bool] | None = None, *, at_most: float | str = LONGEST_RUN) -> None:
        """Let everything happen until `until()` is true; without it, until every letter has come to its end.

        That is: nothing waits in any queue, but what is held. `at_most` is virtual time, in seconds or as "5d". Raises
        NotReached, with the end of the transcript.
        """
        if until is None:
            self._world.has_news = True
        with self._world.turning():
            self.reactor.run(until or self._is_at_rest, at_most=seconds_of(at_most))

    def advance(self, span: float | str) -> None:
        """Let exactly so much virtual time pass (seconds, or "5d"), and happen what is due in it."""
        with self._world.turning():
            self.reactor.advance(seconds_of(span))

    def after(self, span: float | str, do: Callable[..., object], *args: object) -> IDelayedCall:
        """Have something done after so much virtual time; a coroutine that `do` returns is run."""
        return self._world.after(span, do, *args)

    def result_of(self, work: Deferred[T] | Coroutine[Any, Any, T]) -> T:
        """Run until a Deferred or coroutine has a result, and return it, or raise its exception."""
        return self._world.result_of(work)

    # --- the network

    def set_path(self, one: str, other: str, path: Path) -> None:
        """Lay a path between two hosts (names or addresses), for what is sent from now on."""
        self.reactor.network.set_path(self._where(one), self._where(other), path)

    def partition(self, one: str, other: str) -> None:
        """From now on nothing gets through between two hosts, until `heal`; what is on its way still arrives."""
        self.reactor.network.part(self._where(one), self._where(other))

    def heal(self, one: str, other: str) -> None:
        """End a partition; connections that were open in it go on, and what was sent meanwhile arrives."""
        self.reactor.network.heal(self._where(one), self._where(other))

    def reset(self, one: str, other: str) -> None:
        """End every connection between two hosts, as the network does when it forgets them."""
        self.reactor.network.reset(self._where(one), self._where(other))

    # --- what happened

    def journey(self, letter: Sent | LetterId | str) -> Journey:
        """Of a letter, across all hosts."""
        named = letter.id if isinstance(letter, Sent) else LetterId(letter)
        return self.result_of(follow(named, [site.store for site in self.sites.values()], self._world.start))

    def stop(self) -> None:
        """Close every server, as an operator would; nothing may be left to happen then."""
        for site in self.sites.values():
            site.stop()

    # --- inside

    def _is_at_rest(self) -> bool:
        if self._world.has_news:
            self._world.has_news = False
            self._resting = False
            ensureDeferred(self._look())
        return self._resting

    async def _look(self) -> None:
        for site in self.sites.values():
            if await site.store.next_due(site.hostname) is not None:
                return
        self._resting = not self._world.has_news

    def _free(self, which: str) -> str:
        return next(address for address in self._addresses[which] if not self.reactor.network.has(address))

    def _where(self, name: str) -> str:
        if name in self.sites:
            return self.sites[name].address
        return self._people[name].addresses[0] if name in self._people else name

    def _machine_of(self, address: str) -> Host:
        if address not in self._people:
            self._people[address] = host = self.reactor.host(self._free("people"))
            self._world.add_user(host, address)
        return self._people[address]

    def _server_of(self, address: str) -> SimulatedServer:
        key, domain = Address.parse(address).key, Address.parse(address).domain.lower()
        sites = list(self.sites.values())
        found = [site for site in sites if any(Address.parse(each).key == key for each in site.accounts)]
        found = found or [site for site in sites if domain in site.config.domains]
        if not found:
            raise LookupError(f"no server has an account {address}: name it in `accounts` of `internet.host(…)`")
        return found[0]


def _memory(reactor: SimulatedReactor, host: Host) -> Store:  # noqa: ARG001
    return InMemoryStore()


_STORES: dict[str, Callable[[SimulatedReactor, Host], Store]] = {"memory": _memory, "sqlite": sqlite_store}


def _addresses(networks: Sequence[str]) -> Iterator[str]:
    for network in networks:
        yield from map(str, ip_network(network).hosts())
