"""Chain of policies for connection, sender and recipient, and loop detection (RFC 5321 §6.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from mailstack.policy import PASS, Refuse, Verdict, enforce, evaluate
from mailstack.policy.networks import IpNetwork, contains_host
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

ClientPolicy = Callable[[Client], Awaitable[Verdict]]
SenderPolicy = Callable[[Client, Mail], Awaitable[Verdict]]
RecipientPolicy = Callable[[Client, Rcpt], Awaitable[Verdict]]


class PolicyChain(Struct, frozen=True):
    """Policies by phase; an empty phase costs nothing. Clients in `allowlist` and logged-in accounts are exempt."""

    allowlist: tuple[IpNetwork, ...] = ()
    at_connection: tuple[ClientPolicy, ...] = ()
    at_sender: tuple[SenderPolicy, ...] = ()
    at_recipient: tuple[RecipientPolicy, ...] = ()

    async def check_client(self, client: Client) -> None:
        """Raise the Refusal with which the client is greeted (RFC 5321 §3.1)."""
        if self.at_connection and not self.is_allowed(client.account, client.remote.host):
            enforce(await evaluate(self.at_connection, client))

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Raise the Refusal of MAIL."""
        if self.at_sender and not self.is_allowed(client.account, client.remote.host):
            enforce(await evaluate(self.at_sender, client, mail))

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Raise the Refusal of RCPT."""
        if self.at_recipient and not self.is_allowed(client.account, client.remote.host):
            enforce(await evaluate(self.at_recipient, client, rcpt))

    def is_allowed(self, account: str | None, host: str) -> bool:
        """Return whether a client is exempt: logged in, or in a network of `allowlist`."""
        return account is not None or contains_host(host, self.allowlist)


MAX_HOPS = 100
"""Maximum Received fields; RFC 5321 §6.3 requires at least 100."""

LOOP = reply(554, "5.4.6", "too many hops, this message is looping")


def too_many_hops(count: int, limit: int = MAX_HOPS) -> Verdict:
    """Verdict on a letter with `count` Received fields."""
    if count <= limit:
        return PASS
    return Refuse(LOOP, f"{count} Received fields, {limit} are allowed")
