"""Whose word about the priority of a letter counts on the exchange (RFC 6710 §5)."""

from __future__ import annotations

from attrs import evolve, field, frozen

from mailstack.policy.networks import IpNetwork, within
from mailstack.smtp.extensions.mtpriority import ANY, Priorities
from mailstack.smtp.station import Client


@frozen
class TrustedHops:
    """Networks that may give any priority, and what everybody else may."""

    networks: tuple[IpNetwork, ...] = field(default=())
    others: Priorities = field(factory=Priorities)

    def of(self, client: Client) -> Priorities:
        """The priorities of this client."""
        if self.networks and within(client.remote.host, self.networks):
            return evolve(ANY, least=self.others.least)
        return self.others
