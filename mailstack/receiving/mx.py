"""The rules of the mail exchange: what we take on port 25, and for whom (RFC 5321 §3.6.2, §7.9)."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.letter import Arrival, Envelope, Letter, LetterId
from mailstack.letter.header import without
from mailstack.policy import enforce
from mailstack.policy.authentication.outbound_signing import OutboundSigner
from mailstack.policy.authentication.results import without_results_of
from mailstack.policy.chain import PolicyChain
from mailstack.policy.client_names import ClientNames
from mailstack.policy.ownership import Owners
from mailstack.policy.priorities import TrustedHops
from mailstack.policy.relaying import Relaying
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.extensions.hooks import HeaderHook
from mailstack.protocols.smtp.extensions.mtpriority import Priorities
from mailstack.protocols.smtp.receiving_rules import NO_FACTS, Client, Facts, ReceivedOctets
from mailstack.receiving.intake import Intake
from mailstack.receiving.verification import SenderVerification

HIDDEN = (b"return-path", b"mt-priority")
"""Final delivery writes Return-Path (RFC 5321 §4.4), and the relay MT-Priority (RFC 6758)."""


class MxRules:
    """A station (smtp.session.Station) for other hosts on port 25."""

    def __init__(
        self,
        counter: Intake,
        relaying: Relaying,
        *,
        priorities: TrustedHops | None = None,
        guard: PolicyChain | None = None,
        names: ClientNames | None = None,
        checks: SenderVerification | None = None,
        signing: OutboundSigner | None = None,
        owners: Owners | None = None,
    ) -> None:
        """`priorities` says who may have letters go first; None: nobody. `guard` is what we think of strangers.

        Without `names` nobody's name is looked up, and without `checks` no letter is asked who answers for it.
        `signing` signs letters of the networks that may relay; None: they go as they come. A letter for which such a
        host names an account (XCLIENT) is signed only if `owners` give its From to that account.
        """
        self.hostname = counter.hostname
        self.counter = counter
        self._relaying = relaying
        self._priorities = priorities or TrustedHops()
        self._guard = guard or PolicyChain()
        self._names = names
        self._checks = checks
        self._signing = signing
        self._owners = owners

    async def check_client(self, client: Client) -> None:
        """Begin to look for the client's name; most are welcome."""
        if self._names is not None:
            self._names.seek(client.remote.host)
        await self._guard.check_client(client)

    def name_of(self, client: Client) -> str:
        """Of the client, if it was found by now."""
        return "" if self._names is None else self._names.known(client.remote.host)

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Anybody may send to us, the null reverse-path included (RFC 5321 §4.5.5), unless a policy objects."""
        await self._guard.check_sender(client, mail)

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Our own mailboxes for everybody, other domains only for those who may relay."""
        if self.counter.is_local(rcpt.address):
            await self.counter.check_mailbox(rcpt.address, client.declared_size)
        else:
            enforce(self._relaying.may_relay(client.remote, client.account))
        await self._guard.check_recipient(client, rcpt)

    def priorities(self, client: Client) -> Priorities:
        """What strangers ask for is lowered; hops that are trusted may do as they like (RFC 6710 §5)."""
        return self._priorities.of(client)

    def header_hooks(self, client: Client) -> Sequence[HeaderHook]:
        """The MT-Priority field counts for a client that is trusted."""
        return self._priorities.of(client).header_hooks

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:  # noqa: ARG002
        """Nothing is changed but what is not for others to write: see HIDDEN, and RFC 8601 §5."""
        self.counter.check_hops(section)
        return self._without_forged(without(section, HIDDEN))

    def _without_forged(self, section: bytes) -> bytes:
        """Nobody but us says in our name what was found out about a letter."""
        return without_results_of(self.hostname, section)

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        """With the results of our checks on top (RFC 8601 §4.1), or signed. Raises the Refusal of what its owner disowns."""
        remote = letter.arrival.remote
        if self._signing is not None and remote is not None and self._relaying.trusts(remote):
            account, owners = letter.arrival.account, self._owners
            if account is None:
                return await self._signing.signed(letter)
            if owners is not None:
                return await self._signing.signed(letter, lambda author: owners.owns(account, author))
        if self._checks is None or self._guard.is_allowed(letter.arrival.account, remote.host if remote else ""):
            return letter, NO_FACTS
        return await self._checks.examine(letter, arrived)

    async def accept(self, letter: Letter, facts: Facts) -> None:
        """Take responsibility; durable when it returns."""
        await self.counter.accept(letter, "exchanged", facts)
