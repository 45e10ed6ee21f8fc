"""Runtime, storage, observers and worker resources of a mail server."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

from mailstack.accounts.session_registry import POLL
from mailstack.config.derived import WorkerSlot
from mailstack.letter.delivery import Journal
from mailstack.net.clock import ReactorClock
from mailstack.net.listening import EndpointOf, bind_endpoint
from mailstack.net.resolver import ReverseNames
from mailstack.policy.counters import SharedCounters
from mailstack.protocols.connection import Connector, Engine, Peer
from mailstack.relay.mta_sts import MemoryPolicyCache, PolicyCache, PolicyFetcher
from mailstack.store import MailboxStore, Store
from mailstack.store.data_directory import FreeSpace

if TYPE_CHECKING:
    from mailstack.mailbox.index.letter_index import LetterIndex


class PeerHook(Protocol):
    """Function that wraps the peer of an inbound session."""

    def __call__(self, peer: Peer[Any], engine: Engine[Any], server: str, service: str, /) -> Peer[Any]:
        """Peer for the session; `service` is "mx", "pop3" and so on."""


class TlsContexts(Protocol):
    """TLS contexts of a server, by service."""

    def context(self, service: str) -> IOpenSSLServerConnectionCreator:
        """Context for SMTP, LMTP and POP3."""

    def for_web(self) -> IOpenSSLServerConnectionCreator:
        """Context for HTTPS."""


class Runtime(Struct, frozen=True):
    """Reactor, clock, network, DNS and TLS of a server. Tests and simulations replace some of them."""

    reactor: Any
    """Twisted reactor, or a simulated one."""
    clock: ReactorClock
    """Time of letters and queues; connections use the reactor's."""
    network: Connector
    """Connector to other hosts."""
    dns: ReverseNames
    """DNS resolver."""
    tls: TlsContexts
    """Certificates for inbound TLS."""
    random: Random = field(default_factory=Random)
    """Source of jitter, and of the order of equally good hosts; never of secrets."""
    policies: PolicyFetcher | None = None
    """Source of MTA-STS policies. None: MTA-STS is off."""
    session_hook: PeerHook | None = None
    """Hook between an inbound session and its recorder. None: no hook."""


class Storage(Struct, frozen=True):
    """Store of a server, and what depends on its place."""

    store: Store
    mailboxes: MailboxStore | None = None
    """Mailboxes as POP3 sessions see them. None: those of `store`."""
    imap_mailboxes: MailboxStore | None = None
    """Mailboxes as IMAP sessions see them. None: those of `store`."""
    policy_shelf: PolicyCache = field(default_factory=MemoryPolicyCache)
    """Cache of MTA-STS policies."""
    free_space: FreeSpace | None = None
    """Disk space that incoming letters must leave free. None: no check."""
    poll: float = 1.0
    """Seconds between checks for changes by other processes."""
    session_poll: float = POLL
    """Seconds between checks whether the accounts of open sessions have changed."""


class Observers(Struct, frozen=True):
    """Receivers of what happens in a server."""

    journal: Journal
    """Receives each step of a letter."""
    index: LetterIndex | None = None
    """Searchable index of all letters. None: no index."""
    recorder: PeerHook | None = None
    """Recorder of inbound sessions. None: no recording."""


class WorkerResources(Struct, frozen=True):
    """Shared counters and sockets of one worker process."""

    counters: SharedCounters
    """Counters that all workers share."""
    slot: WorkerSlot = WorkerSlot()
    """Worker slot of this process."""
    endpoint: EndpointOf = bind_endpoint
    """Source of listening endpoints."""
