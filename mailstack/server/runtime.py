"""What stands around an office: reactor, store, names, callers; the real ones, or those of dev mode and simulation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from mailstack.accounts.directory import Directory
from mailstack.config.worker_slot import WorkerSlot
from mailstack.letter import LetterId
from mailstack.letter.connection import HostPort
from mailstack.letter.step import Journal
from mailstack.net.clock import ReactorClock
from mailstack.net.lookups import ReverseNames
from mailstack.net.server_tls import ServerContext
from mailstack.net.service_ports import EndpointOf, bind_anew
from mailstack.policy.authentication.signing import SigningKey
from mailstack.policy.counters import SharedCounters
from mailstack.protocols.connection import Connector, Engine, Peer
from mailstack.protocols.sasl import Authenticator
from mailstack.relay.mta_sts import MemoryShelf, PolicyCache, PolicyFetcher
from mailstack.store import Store
from mailstack.store.free_space import FreeSpace

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

    # Only an office that shows letters pays for that.
    from mailstack.accounts.passwords import StoredPassword
    from mailstack.mailbox.index.letter_index import LetterIndex
    from mailstack.net.zone import Zone
    from mailstack.sandbox.dev.time_travel import TimeTravel

    # An office without faults does not pay for them.
    from mailstack.sandbox.faults.faults import Faults
    from mailstack.sandbox.faults.tls import Shown
    from mailstack.sandbox.recording.protocol_log import ProtocolLog
    from mailstack.web.checks.spam import Judge

Between = Callable[[Peer[Any], Engine[Any], str, str], Peer[Any]]
"""Is given a client's peer and its engine, the office and its service ("mx", "pop3" …); what it returns is conversed with."""


class ServerInfo(Struct, frozen=True):
    """One office of the environment, as people are told of it."""

    name: str
    about: str
    domains: tuple[str, ...]
    services: Mapping[str, HostPort]


class AdminHooks(Struct, frozen=True):
    """What people may manage by HTTP, beyond what is in the store; None where there is nothing to manage."""

    keep_password: Callable[[str], Awaitable[StoredPassword]] | None = None
    """What is kept of a password; raises ValueError for an unfit one."""
    check_password: Callable[[str, str], None] = lambda _password, _address: None
    """Raises ValueError for a new password of an address that is guessed soon."""
    forget: Callable[[], None] = lambda: None
    """Believe nothing any longer of what was read about accounts and aliases."""
    session_secret: bytes = b""
    """Proves that a session of a browser is ours; empty: one that is made for this run."""
    zone: Zone | None = None
    travel: TimeTravel | None = None
    offices: Callable[[], Sequence[ServerInfo]] = tuple
    log: ProtocolLog | None = None
    look: Callable[[str], Awaitable[Any]] | None = None
    """Asks a link of a letter for its status (mailstack.web.checks.links.Look)."""
    judge: Judge | None = None
    """Asks a spam filter about a letter."""
    release: Callable[[str, Sequence[str], bytes, LetterId], Awaitable[str]] | None = None
    """Sends a letter on to the world outside, in its author's name; gives its id there. Raises Refusal, and ValueError for
    addresses that are not for that. None: the office's own queue does."""


class Surroundings(Struct, frozen=True):
    """What stands around an office: the real ones for `serve`; dev mode and simulation bring some of their own."""

    reactor: Any
    """Twisted's reactor, or a simulated one."""
    store: Store
    journal: Journal
    submitters: Authenticator
    """Who may hand in."""
    readers: Authenticator
    """Who may collect."""
    context: ServerContext
    """The certificate shown to clients."""
    names: ReverseNames
    caller: Connector
    directory: Directory
    certificates: Mapping[str, ServerContext] = {}
    """Of single services, in place of `context`."""
    maildrops: Store | None = None
    """The store as sessions of readers see it; None: as it is."""
    policies: PolicyFetcher | None = None
    """Where MTA-STS policies come from; None: nobody is asked."""
    shelf: PolicyCache = field(default_factory=MemoryShelf)
    """Where they are kept."""
    signing_keys: tuple[SigningKey, ...] = ()
    """With which the letters of our users are signed."""
    poll: float = 1.0
    """Seconds between looks for what other processes, the commands, changed in the store."""
    holder_of: Callable[[str], str] | None = None
    """Which office holds a mailbox, where several share the store; None: this one."""
    clock: ReactorClock | None = None
    """What letters and queues live by, where that is not the reactor's own time; connections keep that one."""
    random: Random = field(default_factory=Random)
    """Spreads retries, and shuffles hosts that are equally good; no secret comes from it."""
    between: Between | None = None
    """Puts something between conversations and their connections, as a transcript; None: nothing."""
    index: LetterIndex | None = None
    """The letters for people who look; None: none are kept for them."""
    free_space: FreeSpace | None = None
    """The disk of the store, and what letters that arrive must leave of it; None: any letter that fits is accepted."""
    faults: Faults | None = None
    """What goes wrong, for tests; None: nothing that we make up."""
    bad_certificates: Shown | None = None
    """Where certificates come from that faults show; None: there are none, and the handshake fails."""
    troubles: Between | None = None
    """As `between`, and nearer to the conversation: where faults happen. Set by `mailstack.sandbox.faults.install`, as the next one."""
    show: Callable[[str, str], IOpenSSLServerConnectionCreator] | None = None
    """What a service of an office shows in a handshake; None: its certificate."""
    managed: AdminHooks = AdminHooks()
    more_pages: Callable[[Any], Awaitable[Sequence[Any]]] | None = None
    """Gives routes (mailstack.web.routes) beyond those of every office; asked when the first client has
    come to a web door, and given how many streams may go on (mailstack.web.api.stream_limits)."""
    seat: WorkerSlot = WorkerSlot()
    """Which of the office's workers this process is."""
    commons: SharedCounters | None = None
    """What it counts together with the others; None: it is alone."""
    endpoint: EndpointOf = bind_anew
    """What a service listens on."""
    visitors: Authenticator | None = None
    """Who may see the pages, and manage all, where that is not the accounts' business; None: accounts log in there."""
    is_open: bool = False
    """Whether whoever reaches the web page by loopback is its owner, and need not log in: in a dev environment."""
    web_threads: Callable[[Callable[[], Any]], Deferred[Any]] | None = None
    """Runs what pages and the API wait for in a bounded pool of threads; None: in the reactor's."""
    accounts: tuple[tuple[str, str], ...] = ()
    """Addresses and passwords that the web page shows to everybody: those of a dev environment."""

    def certificate_of(self, service: str) -> ServerContext:
        """What a service shows, if nothing goes wrong."""
        return self.certificates.get(service, self.context)

    def context_of(self, office: str, service: str) -> IOpenSSLServerConnectionCreator:
        """What a service shows in a TLS handshake."""
        return self.certificate_of(service) if self.show is None else self.show(office, service)
