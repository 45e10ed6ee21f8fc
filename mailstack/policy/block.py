"""Block list of the operator: networks, host names, addresses and domains."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from mailstack.letter import ReversePath
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.networks import IpNetwork, contains_host, ip_address, parse_networks
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

CLIENT_BLOCKED = reply(554, "5.7.1", "no mail is taken from you here; ask the postmaster why")
BLOCKED_AT_RECIPIENT = reply(550, "5.7.1", "no mail is taken from you here; ask the postmaster why")


class BlockList:
    """An entry is a network ("192.0.2.0/24"), a host name and all below it ("spam.test"), an address
    ("eve@spam.test"), or all addresses of a domain ("@spam.test").
    """

    def __init__(self, entries: Iterable[str], name_of: Callable[[Client], Awaitable[str]] | None = None) -> None:
        """`name_of` knows the confirmed name of a client, "" if none. Raises ValueError for a network that is none."""
        entries = tuple(entry.lower() for entry in entries)
        networks = [entry for entry in entries if is_network(entry)]
        self.networks: tuple[IpNetwork, ...] = parse_networks(networks)
        self._addresses = frozenset(entry for entry in entries if "@" in entry)
        self._names = frozenset(entries) - self._addresses - set(networks)
        self._name_of = name_of

    async def at_connection(self, client: Client) -> Verdict:
        """Judge the client by its address alone; the refusal is the greeting (RFC 5321 §3.1)."""
        if contains_host(client.remote.host, self.networks):
            return Refuse(CLIENT_BLOCKED, f"{client.remote.host} is on the block list")
        return PASS

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        """Judge client, sender and recipient. The postmaster accepts letters of all, complaints too (RFC 5321 §4.5.1)."""
        if rcpt.address.local.lower() == "postmaster":
            return PASS
        if contains_host(client.remote.host, self.networks):
            return Refuse(BLOCKED_AT_RECIPIENT, f"{client.remote.host} is on the block list")
        if self._addresses and self._has_sender(client.sender):
            return Refuse(BLOCKED_AT_RECIPIENT, f"{client.sender} is on the block list")
        if self._names and (entry := await self._entry_of_name(client)):
            return Refuse(BLOCKED_AT_RECIPIENT, f"{entry} is on the block list")
        return PASS

    def _has_sender(self, sender: ReversePath) -> bool:
        return sender is not None and not self._addresses.isdisjoint((sender.key, f"@{sender.ascii_domain.lower()}"))

    async def _entry_of_name(self, client: Client) -> str:
        """The entry by which a name of the client is blocked: what it calls itself, or its confirmed name."""
        names = [client.helo.lower(), await self._name_of(client) if self._name_of is not None else ""]
        return next((entry for name in names for entry in _with_parents(name) if entry in self._names), "")


def is_network(entry: str) -> bool:
    """Whether an entry is to be read as a network: its part before the slash is an IP address."""
    return ip_address(entry.partition("/")[0]) is not None


def _with_parents(name: str) -> Iterable[str]:
    """The name and every domain above it: "a.b.c", "b.c", "c"."""
    labels = name.rstrip(".").split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))
