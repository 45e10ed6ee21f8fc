"""Runtime and storage of `mailstack serve`."""

from __future__ import annotations

from typing import Any

from mailstack.config import Config
from mailstack.net.clock import ReactorClock
from mailstack.net.connector import TwistedConnector
from mailstack.net.dns import system_names
from mailstack.net.https import HttpsPolicies
from mailstack.net.mta_sts_files import PolicyFiles
from mailstack.server.privileged_setup import POLICIES, PrivilegedResources
from mailstack.server.runtime import Runtime, Storage
from mailstack.store import Store
from mailstack.store.free_space import FreeSpace


def server_runtime(config: Config, reactor: Any, clock: ReactorClock, premises: PrivilegedResources) -> Runtime:
    """Network, DNS and TLS of this machine."""
    relay, client_tls = config.relay, premises.client_tls
    dns = system_names(
        reactor, [(server.host, server.port) for server in relay.nameservers], validated=config.relay.dane
    )
    network = TwistedConnector(
        reactor,
        source=relay.source_address or None,
        source6=relay.source_address6 or None,
        client_tls=client_tls,
    )
    policies = HttpsPolicies(reactor, dns, client_tls)
    return Runtime(reactor, clock, network, dns, premises.context, policies=policies)


def server_storage(config: Config, store: Store) -> Storage:
    """Store, and files of the data directory; a database server watches its own disk."""
    free_space = None if config.store.url else FreeSpace(config.data, config.limits.min_free_space)
    return Storage(store, policy_shelf=PolicyFiles(config.data / POLICIES), free_space=free_space)
