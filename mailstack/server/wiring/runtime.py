"""Runtime, storage, index, web and routing options of `mailstack serve`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.threads import deferToThreadPool

from mailstack.accounts.directory import Directory, StoreDirectory
from mailstack.accounts.passwords import Passwords, check_password
from mailstack.config.model import Config
from mailstack.net.clock import ReactorClock
from mailstack.net.connector import TwistedConnector
from mailstack.net.dns import system_names
from mailstack.net.mta_sts import HttpsPolicies, PolicyFiles
from mailstack.net.thread_pool import BoundedPool
from mailstack.protocols.connection import Source
from mailstack.relay.routing import Routing, SourceAddress, SourceRule
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from mailstack.server.privileged_setup import POLICIES, PrivilegedResources
from mailstack.server.runtime import Runtime, Storage
from mailstack.store import Store
from mailstack.store.data_directory import FreeSpace
from mailstack.store.sql_store import SqlStore

if TYPE_CHECKING:
    from mailstack.mailbox.index.letter_index import LetterIndex
    from mailstack.mailbox.index.shared_feed import WorkerSync
    from mailstack.web.context import WebOptions


def server_runtime(config: Config, reactor: Any, clock: ReactorClock, privileged: PrivilegedResources) -> Runtime:
    """Network, DNS and TLS of this machine."""
    relay, client_tls = config.relay, privileged.client_tls
    dns = system_names(
        reactor, [(server.host, server.port) for server in relay.nameservers], validated=config.relay.dane
    )
    network = TwistedConnector(
        reactor, source=relay.source_address or None, source6=relay.source_address6 or None, client_tls=client_tls
    )
    policies = HttpsPolicies(reactor, dns, client_tls)
    return Runtime(reactor, clock, network, dns, privileged.context, policies=policies)


def server_storage(config: Config, store: Store) -> Storage:
    """Store, and files of the data directory; a database server watches its own disk."""
    free_space = None if config.store.url else FreeSpace(config.data, config.limits.min_free_space)
    return Storage(store, policy_shelf=PolicyFiles(config.data / POLICIES), free_space=free_space)


def make_index(  # noqa: PLR0917  # dependencies, each of a type of its own
    config: Config, reactor: Any, clock: ReactorClock, store: SqlStore, directory: Directory, sharing: WorkerSync | None
) -> LetterIndex | None:
    """Index in a file of the data directory. None: disabled in the configuration."""
    settings = config.index
    if not settings.enabled:
        return None
    # Only a server with an index loads it.
    from mailstack.mailbox.index.database import FileDatabase  # noqa: PLC0415
    from mailstack.mailbox.index.letter_index import LetterIndex  # noqa: PLC0415
    from mailstack.mailbox.index.removal import Retention  # noqa: PLC0415

    return LetterIndex(
        store,
        FileDatabase(reactor, config.data, location=store.location),
        clock,
        lambda work: deferToThreadPool(reactor, reactor.getThreadPool(), work),
        directory.mailbox,
        Retention(settings.max_letters or None, settings.max_age or None, settings.undo),
        sharing,
    )


def web_options(
    config: Config, passwords: Passwords, directory: StoreDirectory, secret: bytes, pool: BoundedPool
) -> WebOptions | None:
    """Management of accounts by HTTP. None: the server has no web listener."""
    if not config.listen.web and not config.listen.https:
        return None
    # Only a server with a site loads it.
    from mailstack.web.context import AdminHooks, WebOptions  # noqa: PLC0415

    admin = AdminHooks(
        hash_password=passwords.hash,
        check_password=partial(check_password, min_length=config.accounts.min_password_length),
        invalidate_directory=directory.invalidate,
    )
    return WebOptions(admin, session_secret=secret, in_thread=pool.run)


def routing_of(config: Config) -> Routing:
    """Routes, smart hosts, source addresses and TLS levels."""
    relay = config.relay
    return Routing(
        relay.routes,
        relay.sender_routes,
        tuple(relay.smart_host),
        relay.port,
        tuple(origins_of(config)),
        TlsPolicy(TlsLevel(relay.tls)),
        relay.tls_policy,
    )


def origins_of(config: Config) -> list[SourceRule]:
    """The rules of `[[relay.sources]]`, in their order."""
    return [
        SourceRule(
            SourceAddress(Source(each.source_address, each.source_address6), each.ehlo_name), each.senders, each.domains
        )
        for each in config.relay.sources
    ]
