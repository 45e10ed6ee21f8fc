"""Routing rules of the relay, from `[relay]`."""

from __future__ import annotations

from mailstack.config.model import Config
from mailstack.protocols.connection import Source
from mailstack.relay.routing import Routing
from mailstack.relay.source_addresses import SourceAddress, SourceRule
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy


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
