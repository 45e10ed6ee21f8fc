"""Source addresses and EHLO names of a configuration."""

from __future__ import annotations

from mailstack.config.model import Config
from mailstack.protocols.connection import Source
from mailstack.relay.source_addresses import SourceAddress, SourceRule


def origins_of(config: Config) -> list[SourceRule]:
    """The rules of `[[relay.sources]]`, in their order."""
    return [
        SourceRule(
            SourceAddress(Source(each.source_address, each.source_address6), each.ehlo_name), each.senders, each.domains
        )
        for each in config.relay.sources
    ]
