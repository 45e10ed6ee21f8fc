"""Simulated server: the shipped one on a simulated host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from twisted.cred.portal import Portal

from mailstack.accounts.authenticator import CredAuthenticator, UserAccess
from mailstack.accounts.checker import AllowAnyChecker
from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram_checker import ScramChecker
from mailstack.accounts.throttle import Throttle
from mailstack.config import Config
from mailstack.config.derived import signing_keys
from mailstack.letter import Address
from mailstack.letter.delivery import Step
from mailstack.net.client_tls import ClientTls
from mailstack.net.clock import ReactorClock
from mailstack.net.dns import DnsNames
from mailstack.net.mta_sts import HttpsPolicies
from mailstack.net.server_tls import ServerContext
from mailstack.policy.counters import single_process
from mailstack.protocols.sasl import ScramKeys
from mailstack.protocols.sasl.scram_keys import MIN_ITERATIONS
from mailstack.sandbox.faults.install import with_disk_faults, with_faults
from mailstack.sandbox.imap.profile_peer import with_imap_profile
from mailstack.sandbox.imap.profiles import ImapProfile
from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.simulation.process import SimulatedProcess, crashable
from mailstack.sandbox.simulation.world import World
from mailstack.server.mail_server import MailServer
from mailstack.server.runtime import Observers, Runtime, Storage, WorkerResources
from mailstack.store import Filter, Store
from mailstack.store.accounts import Account

MAX_STEPS = 10_000
_POLL_S = 3600.0
"""Poll interval for changes by other processes, in seconds; a simulation has none."""
_SESSION_POLL_S = 60.0
"""Poll interval for changed accounts, in seconds; four polls a second would be most of the work of a day in IDLE."""


class RecordingJournal:
    """Journal that stores the latest steps, and marks the world as changed."""

    def __init__(self, world: World | None = None) -> None:
        self.steps: list[Step] = []
        self._world = world

    def record(self, steps: Sequence[Step]) -> None:
        self.steps += steps
        if len(self.steps) > 2 * MAX_STEPS:
            del self.steps[:-MAX_STEPS]
        if self._world is not None:
            self._world.has_news = True

    def names(self, mail_server: str) -> list[str]:
        """Names of the steps in one server, in order."""
        return [step.step for step in self.steps if step.server == mail_server]


class SimulatedServer:
    """Host with a mail server: the shipped one, from a configuration, on a simulated machine."""

    def __init__(  # noqa: PLR0917  # dependencies, each of its own type
        self,
        world: World,
        host: Host,
        config: Config,
        store: Store,
        accounts: Sequence[str],
        aliases: Mapping[str, Sequence[str]],
        context: ServerContext,
        imap_profile: ImapProfile | None = None,
    ) -> None:
        self.hostname: str = config.hostname
        self.host = host
        """Reactor of the machine."""
        self.address = host.addresses[0]
        self.config = config
        self.store = store
        self.accounts = tuple(accounts)
        self.journal = RecordingJournal(world)
        self.server: MailServer
        """Current mail server; a new one after each `start`."""
        self.process: SimulatedProcess
        """Current process of the mail server."""
        self._is_closed = False
        self._world = world
        self._aliases = aliases
        self._context = context
        self._imap_profile = imap_profile

    async def set_up(self) -> None:
        """Opens the store, adds accounts and aliases, and starts the server."""
        await self.store.open()
        await self.store.accounts.add([_account(each) for each in self.accounts])
        for alias, targets in self._aliases.items():
            await self.store.accounts.set_alias(alias, targets)
        await self.open()

    async def open(self) -> None:
        """Starts a new server on the same store, in a new process."""
        self.process = SimulatedProcess(self.host)
        self._is_closed = False
        self.server = self._make(self.process)
        await self.server.listen()
        await self.server.start()
        # The last write of a killed process was not published.
        self._world.has_news = True

    def stop(self) -> None:
        """Stops the server as an operator does; its host refuses connections until `start`."""
        if self.is_up:
            self._world.result_of(self.server.stop())
            self._is_closed = True

    def start(self) -> None:
        """Starts the server again, on the same store."""
        self._world.result_of(self.open())

    def crash(self) -> None:
        """Kills the process as SIGKILL does. The store remains; connections are reset, and refused until `start`."""
        self.process.kill()

    def crash_at(self, write: int, *, after: bool = False, restart: float | str = "1m") -> None:
        """Kills the process at its n-th write to the store from now, before or after that write.

        The server is started again after `restart` (seconds, or "1m").
        """
        self.process.kill_at(write, after=after, then=lambda: self._world.after(restart, self.open))

    @property
    def is_up(self) -> bool:
        """Whether the server is running."""
        return self.process.is_alive and not self._is_closed

    def states(self) -> dict[str, str]:
        """Delivery states by recipient ("queued", "delivered", "relayed", "bounced" …), of all letters of the server."""
        records = self._world.result_of(self.store.history.records(Filter(server=self.hostname)))
        return {str(each.recipient.address): each.state.value for record in records for each in record.deliveries}

    def latest_steps(self, last: int = 20) -> list[Step]:
        """Latest steps of the server."""
        return self.journal.steps[-last:]

    def _make(self, host: SimulatedProcess) -> MailServer:
        config, world, name = self.config, self._world, self.hostname
        clock, client_tls = ReactorClock(host), ClientTls(config.relay.ca_file)
        store, dns = crashable(self.store, host), DnsNames(world.zone, host)
        runtime = Runtime(
            host,
            clock,
            world.caller_of(host, name, client_tls),
            dns,
            self._context,
            Random(f"{world.seed}/{name}"),  # noqa: S311 - repeatable by the seed
            HttpsPolicies(host, dns, client_tls),
        )
        server = MailServer(
            config,
            with_faults(
                with_imap_profile(runtime, self._imap_profile, store), world.faults, name, store, world.ca.context
            ),
            Storage(with_disk_faults(store, world.faults, name, clock), poll=_POLL_S, session_poll=_SESSION_POLL_S),
            _user_access(config, store, clock),
            Observers(self.journal, recorder=world.record),
            WorkerResources(single_process(clock)),
        )
        server.sign_by(config, signing_keys(config))
        return server


def _user_access(config: Config, store: Store, clock: ReactorClock) -> UserAccess:
    """Authentication of users; the password of each account is its address."""
    scram = ScramChecker(store.accounts, b"k" * 32, MIN_ITERATIONS)
    portal, throttle = Portal(Realm(), [AllowAnyChecker(), scram]), Throttle(clock)
    submitters, readers = (
        CredAuthenticator(portal, clock, throttle, config.domains, avatar, key_source=scram, accounts=store.accounts)
        for avatar in (ISubmitter, IReader)
    )
    return UserAccess(submitters, readers, StoreDirectory(store.accounts, config.domains, clock))


def _account(address: str) -> Account:
    key = Address.parse(address).key
    return Account(key, b"-", 0.0, scram=_scram(key))


_keys: dict[str, str] = {}


def _scram(key: str) -> str:
    """SCRAM keys of an account with its address as password; cached, because key derivation is slow."""
    if key not in _keys:
        if len(_keys) > 10_000:
            _keys.clear()
        _keys[key] = str(ScramKeys.derive(key, b"s" * 16, MIN_ITERATIONS))
    return _keys[key]
