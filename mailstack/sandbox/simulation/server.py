"""Simulated server: the shipped one on a simulated host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from twisted.cred.portal import Portal

from mailstack.accounts.allow_any import AllowAnyChecker
from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram import ScramChecker
from mailstack.accounts.throttle import Throttle
from mailstack.accounts.user_access import UserAccess
from mailstack.config import Config
from mailstack.config.key_files import signing_keys
from mailstack.letter import Address
from mailstack.letter.step import Step
from mailstack.net.client_tls import ClientTls
from mailstack.net.clock import ReactorClock
from mailstack.net.dns import DnsNames
from mailstack.net.https import HttpsPolicies
from mailstack.net.server_tls import ServerContext
from mailstack.policy.counters import single_process
from mailstack.protocols.sasl import ScramKeys
from mailstack.protocols.sasl.scram_keys import FEWEST
from mailstack.sandbox.faults.install import with_disk_faults, with_faults
from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.simulation.process import SimulatedProcess, crashable
from mailstack.sandbox.simulation.world import World
from mailstack.server.mail_server import MailServer
from mailstack.server.runtime import Observers, Runtime, Storage, WorkerResources
from mailstack.store import Account, Filter, Store

MOST_STEPS = 10_000
_LOOK = 3600.0
"""Seconds between looks at what other processes changed: there are none."""


class RecordingJournal:
    """A Journal that keeps the last steps, and tells that there are new ones."""

    def __init__(self, world: World | None = None) -> None:
        self.steps: list[Step] = []
        self._world = world

    def tell(self, steps: Sequence[Step]) -> None:
        self.steps += steps
        if len(self.steps) > 2 * MOST_STEPS:
            del self.steps[:-MOST_STEPS]
        if self._world is not None:
            self._world.has_news = True

    def names(self, mail_server: str) -> list[str]:
        """Of the steps in one server, in their order."""
        return [step.step for step in self.steps if step.server == mail_server]


class SimulatedServer:
    """A host with a mail server: the shipped one, from a configuration, on a simulated machine."""

    def __init__(  # noqa: PLR0917  # what makes a server, each of a type of its own
        self,
        world: World,
        host: Host,
        config: Config,
        store: Store,
        accounts: Sequence[str],
        aliases: Mapping[str, Sequence[str]],
        context: ServerContext,
    ) -> None:
        self.hostname: str = config.hostname
        self.host = host
        """Its machine."""
        self.address = host.addresses[0]
        self.config = config
        self.store = store
        self.accounts = tuple(accounts)
        self.journal = RecordingJournal(world)
        self.server: MailServer
        """The one that works now; another after each `start`."""
        self.life: SimulatedProcess
        """The program that it runs in."""
        self._is_closed = False
        self._world = world
        self._aliases = aliases
        self._context = context

    async def begin(self) -> None:
        """Open the store, make the accounts, begin to work."""
        await self.store.open()
        await self.store.add_accounts([_account(each) for each in self.accounts])
        for alias, targets in self._aliases.items():
            await self.store.set_alias(alias, targets)
        await self.open()

    async def open(self) -> None:
        """A new server on the same store, as when its program is started."""
        self.life = SimulatedProcess(self.host)
        self._is_closed = False
        self.server = self._make(self.life)
        await self.server.listen()
        await self.server.start()
        # What an earlier life stored in its last moment it told nobody.
        self._world.has_news = True

    def stop(self) -> None:
        """Close the server as an operator does; its host refuses connections until `start`."""
        if self.is_up:
            self._world.result_of(self.server.stop())
            self._is_closed = True

    def start(self) -> None:
        """Open it again, on the same store."""
        self._world.result_of(self.open())

    def crash(self) -> None:
        """End its program now, as SIGKILL does; what was stored remains. Connections are reset, and calls refused until `start`."""
        self.life.kill()

    def crash_at(self, write: int, *, after: bool = False, restart: float | str = "1m") -> None:
        """End its program at the n-th write into its store from now, before it or right after it.

        It is started again after `restart` (seconds, or "1m").
        """
        self.life.kill_at(write, after=after, then=lambda: self._world.after(restart, self.open))

    @property
    def is_up(self) -> bool:
        """Whether its program runs."""
        return self.life.is_alive and not self._is_closed

    def states(self) -> dict[str, str]:
        """Recipient: state ("queued", "delivered", "relayed", "bounced" …), of all letters of the server."""
        records = self._world.result_of(self.store.records(Filter(server=self.hostname)))
        return {str(each.recipient.address): each.state.value for record in records for each in record.deliveries}

    def said(self, last: int = 20) -> list[Step]:
        """The last steps that the server told of."""
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
            Random(f"{world.seed}/{name}"),  # noqa: S311 - the seed shall decide it
            HttpsPolicies(host, dns, client_tls),
        )
        server = MailServer(
            config,
            with_faults(runtime, world.faults, name, world.ca.context),
            Storage(with_disk_faults(store, world.faults, name, clock), poll=_LOOK),
            _user_access(config, store, clock),
            Observers(self.journal, recorder=world.record),
            WorkerResources(single_process(clock)),
        )
        server.sign_by(config, signing_keys(config))
        return server


def _user_access(config: Config, store: Store, clock: ReactorClock) -> UserAccess:
    """Users whose passwords are their addresses."""
    scram = ScramChecker(store, b"k" * 32, FEWEST)
    portal, throttle = Portal(Realm(), [AllowAnyChecker(), scram]), Throttle(clock)
    submitters, readers = (
        CredAuthenticator(portal, clock, throttle, config.domains, avatar, keeper=scram, accounts=store)
        for avatar in (ISubmitter, IReader)
    )
    return UserAccess(submitters, readers, StoreDirectory(store, config.domains, clock))


def _account(address: str) -> Account:
    key = Address.parse(address).key
    return Account(key, b"-", 0.0, scram=_scram(key))


_keys: dict[str, str] = {}


def _scram(key: str) -> str:
    """What SCRAM keeps of a password that is the address; deriving it costs more than all else of an account."""
    if key not in _keys:
        if len(_keys) > 10_000:
            _keys.clear()
        _keys[key] = str(ScramKeys.derive(key, b"s" * 16, FEWEST))
    return _keys[key]
