"""The rules of LMTP: who may hand letters to the mailboxes here, past all that strangers are asked (RFC 2033 §5)."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.letter import Recipient
from mailstack.policy.networks import networks_of, within
from mailstack.policy.priorities import TrustedHops
from mailstack.policy.relaying import Relaying
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules

NOT_YOU = reply(554, "5.7.1", "no LMTP service for your address")


class LmtpRules(MxRules):
    """A station (smtp.lmtp.LmtpStation) for other programs of ours: for our domains only, and without policies."""

    def __init__(self, counter: Intake, networks: Sequence[str], *, priorities: TrustedHops | None = None) -> None:
        """`networks` in CIDR notation may come in; so may who finds the UNIX socket, which has no address."""
        super().__init__(counter, Relaying(), priorities=priorities)
        self._networks = networks_of(networks)

    async def check_client(self, client: Client) -> None:
        """Raise the Refusal of a client from elsewhere."""
        host = client.remote.host
        if host and not within(host, self._networks):
            raise Refusal(NOT_YOU, f"{host} is not in lmtp.from")

    def _without_forged(self, section: bytes) -> bytes:
        """Who hands letters over is one of us, and may have found out about them in our name (RFC 8601 §5)."""
        return section

    async def check_delivery(self, recipient: Recipient, size: int) -> None:
        """Now that the size is known: the mailbox may be full (CODE-05), or gone."""
        await self.counter.check_mailbox(recipient.address, size)
