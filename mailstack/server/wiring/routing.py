"""Routing rules of the relay, from `[relay]`."""

from __future__ import annotations

from mailstack.config.model import Config
from mailstack.relay.routing import Routing
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from mailstack.server.wiring.origins import origins_of


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
