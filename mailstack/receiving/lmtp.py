"""LMTP rules: local delivery for other programs, without MX policies (RFC 2033 §5)."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.letter import Recipient
from mailstack.policy.networks import contains_host, parse_networks
from mailstack.policy.permissions import Relaying, TrustedHops
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules

CLIENT_NOT_ALLOWED = reply(554, "5.7.1", "no LMTP service for your address")


class LmtpRules(MxRules):
    """Receiving rules for trusted programs on LMTP: local domains only, and no policies."""

    def __init__(self, intake: Intake, networks: Sequence[str], *, priorities: TrustedHops | None = None) -> None:
        """`networks` are those of allowed clients, in CIDR notation. Every client of the UNIX socket is allowed."""
        super().__init__(intake, Relaying(), priorities=priorities)
        self._networks = parse_networks(networks)

    async def check_client(self, client: Client) -> None:
        """Raises the Refusal for a client outside the allowed networks."""
        host = client.remote.host
        if host and not contains_host(host, self._networks):
            raise Refusal(CLIENT_NOT_ALLOWED, f"{host} is not in lmtp.from")

    def _without_forged(self, section: bytes) -> bytes:
        """Keeps every field: LMTP clients are trusted to write results in the name of this server (RFC 8601 §5)."""
        return section

    async def check_delivery(self, recipient: Recipient, size: int) -> None:
        """Checks the mailbox again now that the size is known: it may be full, or deleted meanwhile."""
        await self.intake.check_mailbox(recipient.address, size)
