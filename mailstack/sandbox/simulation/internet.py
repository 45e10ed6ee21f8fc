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
from mailstack.sandbox.arguments import parse_address, unexpected_argument
from mailstack.sandbox.faults.certificates import Kind
from mailstack.sandbox.imap.profiles import find_profile
from mailstack.sandbox.simulation.clock import seconds_of
from mailstack.sandbox.simulation.host import MAX_RUN, Host
from mailstack.sandbox.simulation.network import Path
from mailstack.sandbox.simulation.process import sqlite_store
from mailstack.sandbox.simulation.reactor import SimulatedReactor
from mailstack.sandbox.simulation.server import SimulatedServer
from mailstack.sandbox.simulation.transcript import MAX_LINES, SimulatedJourney, follow
from mailstack.sandbox.simulation.users import SimulatedAuthor, SimulatedReader, SubmittedLetter
from mailstack.sandbox.simulation.world import Page, World
from mailstack.store import Store
from mailstack.store.sqlite.in_memory import InMemoryStore

T = TypeVar("T")

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

_SERVER_NETWORKS = ("192.0.2.0/24", "198.51.100.0/24", "198.19.0.0/16")
_USER_NETWORKS = ("203.0.113.0/24", "100.64.0.0/10")
"""Networks for automatic addresses, reserved for documentation and tests (RFC 5737, RFC 2544, RFC 6598)."""

_LISTEN: Any = ListenSettings(submission=("tcp:587",), mx=("tcp:25",), pop3=("tcp:110",), imap=("tcp:143",))  # type: ignore[arg-type]


class Internet:
    """Simulated internet. The same seed and the same calls give an identical transcript.

    Nothing leaves the process:

        internet = Internet(seed=7)
        internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
        internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
        letter = internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello Bob")
        internet.run()
        (letter_of_bob,) = internet.reader("bob@b.test").collect()
        print(internet.journey(letter), internet.transcript)

    Time passes only in calls of `run`, `advance`, and other methods that take virtual time.
    """

    def __init__(self, seed: int = 1, *, path: Path | None = None, transcript: int = MAX_LINES) -> None:
        """`path` is the default path between hosts. `transcript` is the maximum number of recorded lines."""
        self._world = world = World(seed, path, transcript)
        self.seed = seed
        self.reactor = world.reactor
        """Twisted's reactor of this internet; `reactor.host(address)` is a reactor for a program on one host."""
        self.zone = world.zone
        """DNS zone of all hosts."""
        self.ca = world.ca
        """Certificate authority that all hosts trust."""
        self.transcript = world.transcript
        """Record of all sessions."""
        self.faults = world.faults
        """Injected faults: `internet.faults.add(Fault(at="rcpt", reply="451 4.3.0 not now", times=2))`."""
        self.servers: dict[str, SimulatedServer] = {}
        """Mail servers, by host name."""
        self._addresses = {"servers": _addresses(_SERVER_NETWORKS), "users": _addresses(_USER_NETWORKS)}
        self._users: dict[str, Host] = {}
        self._is_idle = False

    # --- hosts and users

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
        imap_profile: str = "",
        **settings: Any,
    ) -> SimulatedServer:
        """Adds a host with a running mail server and its DNS records. The password of each account is its address.

        Accounts and aliases without @ are in the first of `domains`.
        `address` is its IP address; "" selects a free one. `certificate` is a kind of certificate of the CA, or a TLS context.
        `imap_profile` is a provider with an IMAP that the server imitates, such as "gmail".
        `settings` are tables of the configuration, such as `policy=Policy(…)` or `relay=Relay(ca_file=internet.ca.file, …)`
        of `mailstack.config`. Without a table `submission`, From may have any address. Raises ValueError for an address
        that is in use or invalid.
        """
        if text := unexpected_argument("Internet.host()", settings, _HOST_ARGUMENTS):
            raise TypeError(text)
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
        profile = find_profile(imap_profile)
        if profile is not None:
            settings.setdefault("imap", profile.settings())
        domain = domains[0] if domains else ""
        mailboxes = [str(parse_address(each, domain)) for each in accounts]
        targets_of = {
            str(parse_address(alias, domain)): [str(parse_address(each, domain)) for each in targets]
            for alias, targets in (aliases or {}).items()
        }
        host = self.reactor.host(address or self._free("servers"))
        tls = self.ca.context(hostname, certificate) if isinstance(certificate, str) else certificate
        opened = _STORES[store](self.reactor, host) if isinstance(store, str) else store
        self._world.add_server(host, hostname)
        server = SimulatedServer(
            self._world, host, replace(config, **settings), opened, mailboxes, targets_of, tls, profile
        )
        self.servers[hostname] = server
        self.result_of(server.set_up())
        for each in domains:
            self.zone.mx(each, hostname)
        self.zone.a(hostname, server.address)
        return server

    def author(self, address: str, server: SimulatedServer | None = None) -> SimulatedAuthor:
        """Author with this account; `server` is its server if the domain does not determine it. Raises LookupError.

        A name without @ is the account with this name; it must be the only one.
        """
        account = self._account_of(address, server)
        return SimulatedAuthor(self._world, account, server or self._server_of(account), self._machine_of(account))

    def reader(self, address: str, server: SimulatedServer | None = None) -> SimulatedReader:
        """Reader of this account; see `author`."""
        account = self._account_of(address, server)
        return SimulatedReader(self._world, account, server or self._server_of(account), self._machine_of(account))

    def publish(self, domain: str, policy: str | bytes, *, id: str = "1", address: str = "", **page: Any) -> Page:  # noqa: A002
        """Publishes an MTA-STS policy of a domain (RFC 8461 §3): its record, and an HTTPS host with the file.

        `id` is that of the record; a changed policy needs a new one. `page` has the options of `Page`.
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
        """Virtual seconds since the start."""
        return self._world.now

    @property
    def date(self) -> datetime:
        """Virtual date, in UTC."""
        return self._world.date

    def run(self, until: Callable[[], bool] | None = None, *, at_most: float | str = MAX_RUN) -> None:
        """Runs until `until()` is true; without it, until all queues are empty but for held letters.

        `at_most` is virtual time, in seconds or as "5d". Raises NotReached, with the end of the transcript.
        """
        if until is None:
            self._world.has_news = True
        with self._world.run_scope():
            self.reactor.run(until or self._check_idle, at_most=seconds_of(at_most))

    def advance(self, span: float | str) -> None:
        """Lets exactly this virtual time pass (seconds, or "5d"), and runs all events that are due in it."""
        with self._world.run_scope():
            self.reactor.advance(seconds_of(span))

    def after(self, span: float | str, do: Callable[..., object], *args: object) -> IDelayedCall:
        """Calls a function after a virtual time span; runs the coroutine that it returns, if any."""
        return self._world.after(span, do, *args)

    def result_of(self, work: Deferred[T] | Coroutine[Any, Any, T]) -> T:
        """Runs until a Deferred or coroutine has a result; returns it, or raises its exception."""
        return self._world.result_of(work)

    # --- the network

    def set_path(self, one: str, other: str, path: Path) -> None:
        """Sets the path between two hosts (names or addresses), for later segments."""
        self.reactor.network.set_path(self._where(one), self._where(other), path)

    def partition(self, one: str, other: str) -> None:
        """Partitions the network between two hosts until `heal`; segments under way still arrive."""
        self.reactor.network.part(self._where(one), self._where(other))

    def heal(self, one: str, other: str) -> None:
        """Ends a partition; open connections resume, and delayed segments arrive."""
        self.reactor.network.heal(self._where(one), self._where(other))

    def reset(self, one: str, other: str) -> None:
        """Resets all connections between two hosts, as a router does that loses its state."""
        self.reactor.network.reset(self._where(one), self._where(other))

    # --- results

    def journey(self, letter: SubmittedLetter | LetterId | str) -> SimulatedJourney:
        """Journey of a letter across all hosts."""
        named = letter.id if isinstance(letter, SubmittedLetter) else LetterId(letter)
        return self.result_of(follow(named, [server.store for server in self.servers.values()], self._world.start))

    def stop(self) -> None:
        """Stops all servers, as an operator does."""
        for server in self.servers.values():
            server.stop()

    # --- internal

    def _check_idle(self) -> bool:
        if self._world.has_news:
            self._world.has_news = False
            self._is_idle = False
            ensureDeferred(self._poll_queues())
        return self._is_idle

    async def _poll_queues(self) -> None:
        for server in self.servers.values():
            if await server.store.queue.next_due(server.hostname) is not None:
                return
        self._is_idle = not self._world.has_news

    def _free(self, which: str) -> str:
        return next(address for address in self._addresses[which] if not self.reactor.network.has(address))

    def _where(self, name: str) -> str:
        if name in self.servers:
            return self.servers[name].address
        return self._users[name].addresses[0] if name in self._users else name

    def _machine_of(self, address: str) -> Host:
        if address not in self._users:
            self._users[address] = host = self.reactor.host(self._free("users"))
            self._world.add_user(host, address)
        return self._users[address]

    def _account_of(self, name: str, server: SimulatedServer | None) -> str:
        """Address of an account that may be given by its local part. Raises LookupError, AddressError."""
        if "@" in name:
            return str(parse_address(name, ""))
        servers = self.servers.values() if server is None else [server]
        accounts = [each for server in servers for each in server.accounts]
        found = [each for each in accounts if Address.parse(each).key.rpartition("@")[0] == name.lower()]
        if len(found) != 1:
            choice = (
                f"choose one of {', '.join(found)}" if found else f"the accounts are {', '.join(accounts) or 'none'}"
            )
            raise LookupError(f"{len(found) or 'no'} accounts have the name {name}: {choice}")
        return found[0]

    def _server_of(self, address: str) -> SimulatedServer:
        key, domain = Address.parse(address).key, Address.parse(address).domain.lower()
        servers = list(self.servers.values())
        found = [server for server in servers if any(Address.parse(each).key == key for each in server.accounts)]
        found = found or [server for server in servers if domain in server.config.domains]
        if not found:
            raise LookupError(f"no server has an account {address}: name it in `accounts` of `internet.host(…)`")
        return found[0]


_HOST_ARGUMENTS = (
    *("address", "domains", "accounts", "aliases", "store", "certificate", "imap_profile"),
    *(name for name in Config.__struct_fields__ if name not in ("hostname", "domains", "accounts", "store")),
)
"""Keyword arguments of `Internet.host`."""

_STORES: dict[str, Callable[[SimulatedReactor, Host], Store]] = {
    "memory": lambda _reactor, _host: InMemoryStore(),
    "sqlite": sqlite_store,
}


def _addresses(networks: Sequence[str]) -> Iterator[str]:
    for network in networks:
        yield from map(str, ip_network(network).hosts())
