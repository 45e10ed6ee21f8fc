"""Priorities of letters: permission by network (RFC 6710 §5)."""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from mailstack.policy.networks import IpNetwork, within
from mailstack.protocols.smtp.priorities import ANY, Priorities
from mailstack.protocols.smtp.receiving_rules import Client


class TrustedHops(Struct, frozen=True):
    """Networks that may give any priority, and the range for all others."""

    networks: tuple[IpNetwork, ...] = field(default=())
    others: Priorities = field(default_factory=Priorities)

    def of(self, client: Client) -> Priorities:
        """The priorities of this client."""
        if self.networks and within(client.remote.host, self.networks):
            return replace(ANY, least=self.others.least)
        return self.others
