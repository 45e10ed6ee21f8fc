"""Permissions by account and network: relaying, sender addresses, priorities, allowed domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from mailstack.letter import Address, ReversePath
from mailstack.letter.envelope import HostPort
from mailstack.letter.patterns import fits_any_domain
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.networks import IpNetwork, contains_host, parse_networks
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import ANY, Client, Priorities
from mailstack.protocols.smtp.replies import reply

RELAY_DENIED = reply(550, "5.7.1", "relaying denied: log in, or send to one of our own domains")


class Relaying:
    """Permits logged-in accounts and the networks of `[relay].from`."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        """`networks` are in CIDR notation. Raises ValueError."""
        self._networks = parse_networks(networks)

    def trusts(self, remote: HostPort) -> bool:
        return contains_host(remote.host, self._networks)

    def may_relay(self, remote: HostPort, account: str | None) -> Verdict:
        """Verdict on a client; `account` is that of its login, if any."""
        if account is not None or self.trusts(remote):
            return PASS
        return Refuse(RELAY_DENIED, f"{remote.host} is in no network that may relay")


SENDER_NOT_OWNED = reply(553, "5.7.1", "sender address is not owned by the account that logged in")


class AddressOwners(Protocol):
    """Directory of the addresses that an account owns."""

    async def owns(self, account: str, sender: Address) -> bool:
        """Whether letters for `sender` are delivered to `account`."""


class Ownership:
    """Permits an account's own address, and addresses delivered to it."""

    def __init__(self, directory: AddressOwners) -> None:
        self._directory = directory

    async def may_send_as(self, account: str, sender: ReversePath) -> Verdict:
        """Verdict on a reverse-path. The null one is permitted for reports and read receipts (RFC 5321 §4.5.5)."""
        if sender is None or await self._directory.owns(account, sender):
            return PASS
        return Refuse(SENDER_NOT_OWNED, f"{account} does not own {sender}")


class TrustedHops(Struct, frozen=True):
    """Networks that may set any priority, and the range for other clients."""

    networks: tuple[IpNetwork, ...] = field(default=())
    others: Priorities = field(default_factory=Priorities)

    def priorities_for(self, client: Client) -> Priorities:
        if self.networks and contains_host(client.remote.host, self.networks):
            return replace(ANY, min_priority=self.others.min_priority)
        return self.others


DOMAIN_NOT_ALLOWED = reply(550, "5.7.1", "this system sends no mail to that domain")


class AllowedDomains:
    """Policy on recipients: local addresses, and domains that match `[relay] allowed_domains`."""

    def __init__(self, patterns: Sequence[str], is_local: Callable[[Address], bool]) -> None:
        self._patterns = tuple(patterns)
        self._is_local = is_local

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:  # noqa: ARG002
        to = rcpt.address
        if self._is_local(to) or fits_any_domain(self._patterns, to.ascii_domain.lower()):
            return PASS
        return Refuse(DOMAIN_NOT_ALLOWED, f"[relay] allowed_domains does not name {to.domain}")
