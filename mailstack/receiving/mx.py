"""MX rules for other hosts (RFC 5321 §3.6.2), LMTP rules for programs (RFC 2033)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from mailstack.letter import Arrival, Envelope, Letter, LetterId, Recipient
from mailstack.letter.header import fields_of, strip_fields
from mailstack.policy import enforce
from mailstack.policy.authentication.dkim import OutboundSigner
from mailstack.policy.authentication.results import remove_results_of
from mailstack.policy.chain import PolicyChain
from mailstack.policy.dns_checks import ClientNames
from mailstack.policy.networks import contains_host, parse_networks
from mailstack.policy.permissions import AddressOwners, Relaying, TrustedHops
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import NO_FACTS, Client, Facts, HeaderHook, Priorities, ReceivedOctets
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.receiving.intake import Intake
from mailstack.receiving.verification import SenderVerification

HIDDEN = (b"return-path", b"mt-priority")
"""Names of fields that are removed. Final delivery writes Return-Path (RFC 5321 §4.4), and the relay writes
MT-Priority (RFC 6758)."""


class MxRules:
    """Receiving rules for other hosts on port 25."""

    def __init__(
        self,
        intake: Intake,
        relaying: Relaying,
        *,
        priorities: TrustedHops | None = None,
        policy_chain: PolicyChain | None = None,
        client_names: ClientNames | None = None,
        verification: SenderVerification | None = None,
        signing: OutboundSigner | None = None,
        owners: AddressOwners | None = None,
    ) -> None:
        """`priorities` lists the hosts that may give letters a higher priority; None: no host may. `policy_chain` has the policies.

        Without `client_names` no name of a client is looked up. Without `verification` no letter is verified. `signing` signs letters
        of the networks that may relay; None: they stay unsigned. If such a host names an account (XCLIENT), the letter
        is signed only if `owners` give its From to that account.
        """
        self.hostname = intake.hostname
        self.intake = intake
        self._relaying = relaying
        self._priorities = priorities or TrustedHops()
        self._policy_chain = policy_chain or PolicyChain()
        self._client_names = client_names
        self._verification = verification
        self._signing = signing
        self._owners = owners

    async def check_client(self, client: Client) -> None:
        """Starts the look-up of the client's name, and applies the policies for clients."""
        if self._client_names is not None:
            self._client_names.start_lookup(client.remote.host)
        await self._policy_chain.check_client(client)

    def name_of(self, client: Client) -> str:
        """Name of the client; "" if it has not been found yet."""
        return "" if self._client_names is None else self._client_names.cached(client.remote.host)

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Accepts every sender that the policies allow, the null reverse-path included (RFC 5321 §4.5.5)."""
        await self._policy_chain.check_sender(client, mail)

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Accepts local addresses from all clients, other domains only from clients that may relay."""
        if self.intake.is_local(rcpt.address):
            await self.intake.check_mailbox(rcpt.address, client.declared_size)
        else:
            enforce(self._relaying.may_relay(client.remote, client.account))
        await self._policy_chain.check_recipient(client, rcpt)

    def priorities(self, client: Client) -> Priorities:
        """Priorities that the client may use: unrestricted for trusted hops, lowered for other clients (RFC 6710 §5)."""
        return self._priorities.priorities_for(client)

    def header_hooks(self, client: Client) -> Sequence[HeaderHook]:
        """Hooks for the MT-Priority field, which counts for trusted clients."""
        return self._priorities.priorities_for(client).header_hooks

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:  # noqa: ARG002
        """Removes the fields that only this server may write: HIDDEN, and forged results (RFC 8601 §5)."""
        self.intake.check_hops(section)
        return self._without_forged(strip_fields(section, HIDDEN))

    def _without_forged(self, section: bytes) -> bytes:
        """Removes Authentication-Results that claim to come from this server."""
        return remove_results_of(self.hostname, section)

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        """Adds the results of verification (RFC 8601 §4.1), or a signature. Raises the Refusal of a failed verification."""
        remote = letter.arrival.remote
        if self._signing is not None and remote is not None and self._relaying.trusts(remote):
            account, owners = letter.arrival.account, self._owners
            if account is None:
                return await self._signing.signed(letter)
            if owners is not None:
                return await self._signing.signed(
                    letter, lambda from_header_policy: owners.owns(account, from_header_policy)
                )
        if self._verification is None or self._policy_chain.is_allowed(
            letter.arrival.account, remote.host if remote else ""
        ):
            return letter, NO_FACTS
        return await self._verification.verify_letter(letter, arrived)

    async def accept(self, letter: Letter, facts: Facts) -> None:
        """Accepts the letter into the queue; durable when this returns."""
        await self.intake.accept(letter, "exchanged", facts)


SPAM_FLAG = b"x-spam-flag"
"""Field of a spam filter's verdict. Other hosts may write it, so it counts from LMTP clients only."""

CLIENT_NOT_ALLOWED = reply(554, "5.7.1", "no LMTP service for your address")


class LmtpRules(MxRules):
    """Receiving rules for trusted programs on LMTP: local domains only, and no policies."""

    def __init__(self, intake: Intake, networks: Sequence[str], *, priorities: TrustedHops | None = None) -> None:
        """`networks` are the networks of allowed clients, in CIDR notation. Every client of the UNIX socket is allowed."""
        super().__init__(intake, Relaying(), priorities=priorities)
        self._networks = parse_networks(networks)

    async def check_client(self, client: Client) -> None:
        """Raises the Refusal for a client outside the allowed networks."""
        host = client.remote.host
        if host and not contains_host(host, self._networks):
            raise Refusal(CLIENT_NOT_ALLOWED, f"{host} is not in lmtp.from")

    def _without_forged(self, section: bytes) -> bytes:
        """Leaves every field: LMTP clients may write results in the name of this server (RFC 8601 §5)."""
        return section

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        """Marks what the program, such as a spam filter, calls spam by `X-Spam-Flag: YES`."""
        if any(field.partition(b":")[2].strip().lower() == b"yes" for field in fields_of(arrived.section, SPAM_FLAG)):
            letter = replace(letter, arrival=replace(letter.arrival, is_junk=True))
        return letter, NO_FACTS

    async def check_delivery(self, recipient: Recipient, size: int) -> None:
        """Checks the mailbox again now that the size is known: it may be full or deleted by now."""
        await self.intake.check_mailbox(recipient.address, size)
