"""Submission rules: authentication, sender ownership, From addresses, header fixups (RFC 6409)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from mailstack.letter import Address, AddressError, Arrival, Envelope, Letter, LetterId, ReversePath
from mailstack.letter.address_lists import Authors, authors_in
from mailstack.letter.envelope import DELIMITERS, XVERP, delimiters_of
from mailstack.letter.header import count, fields, has, strip_fields
from mailstack.letter.patterns import fits_address
from mailstack.letter.trace import date_field, message_id
from mailstack.policy import enforce, evaluate
from mailstack.policy.authentication.dkim import OutboundSigner
from mailstack.policy.authentication.results import remove_results_of
from mailstack.policy.chain import RecipientPolicy, SenderPolicy
from mailstack.policy.permissions import AddressOwners, Ownership
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import NO_FACTS, Client, Facts, HeaderHook, Priorities, ReceivedOctets
from mailstack.protocols.smtp.replies import TLS_FIRST, Refusal, reply
from mailstack.receiving.intake import Intake

NO_AUTHOR = reply(554, "5.6.0", "the message must have exactly one From field (RFC 5322 section 3.6)")
NOT_THE_AUTHOR = reply(550, "5.7.1", "the From address is not owned by the account that logged in")

WhenInvalid = Literal["repair", "refuse", "allow"]
WhenNotOwned = Literal["allow", "sender", "refuse"]


class FromHeaderPolicy:
    """Repairs, refuses or allows From fields, as configured."""

    def __init__(
        self,
        when_invalid: WhenInvalid = "repair",
        when_not_owned: WhenNotOwned = "allow",
        owners: AddressOwners | None = None,
    ) -> None:
        """`when_invalid` is for letters with no From field or several. `when_not_owned` is for a From that the account does not own:
        "sender" names the account in a Sender field.
        """
        self._when_invalid = when_invalid
        self._when_not_owned = when_not_owned
        self._owners = owners

    async def apply(self, section: bytes, sender: ReversePath, account: str | None) -> bytes:
        """Returns the header section as it is to be sent. Raises Refusal."""
        if self._when_invalid != "allow" and (found := count(section, b"from")) != 1:
            section = self._repair(section, found, sender, account)
        if self._when_not_owned != "allow" and account is not None and self._owners is not None:
            section = await self._with_sender(section, account, self._owners)
        return section

    def _repair(self, section: bytes, found: int, sender: ReversePath, account: str | None) -> bytes:
        """Adds a missing From field, or removes all but the first one."""
        if self._when_invalid == "refuse":
            raise Refusal(NO_AUTHOR, f"{found} From fields")
        if found:
            return _first_only(section, b"from")
        author = str(sender) if sender is not None else _address_text(account)
        return b"From: <%b>\r\n%b" % (author.encode(), section) if author else section

    async def _with_sender(self, section: bytes, account: str, owners: AddressOwners) -> bytes:
        """Names the account as Sender if From does not name it, and removes any other Sender (RFC 6409 §8.1)."""
        is_author = await _owns_all(owners, account, authors_in(fields(section)))
        if not is_author and self._when_not_owned == "refuse":
            raise Refusal(NOT_THE_AUTHOR, f"{account} does not own the From address")
        if is_author and not has(section, b"sender"):
            return section
        if is_author and await _owns_all(owners, account, authors_in(fields(section), b"sender")):
            return section
        section = strip_fields(section, (b"sender",))
        if is_author:
            return section
        return b"Sender: <%b>\r\n%b" % (_address_text(account).encode(), section)


async def _owns_all(owners: AddressOwners, account: str, named: Authors) -> bool:
    """Whether the fields name only addresses of the account. The first address not owned ends the look-ups."""
    if not named.is_whole or not named.addresses:
        return False
    for address in dict.fromkeys(named.addresses):
        if not await owners.owns(account, address):
            return False
    return True


def _address_text(account: str | None) -> str:
    """The account as an address for a header; "" if it is not an address."""
    try:
        return str(Address.parse(account or ""))
    except AddressError:
        return ""


def _first_only(section: bytes, wanted_name: bytes) -> bytes:
    """The section with only the first field of this name."""
    result, is_found = [], False
    for name, field in fields(section):
        if name != wanted_name or not is_found:
            result.append(field)
        is_found = is_found or name == wanted_name
    return b"".join(result)


HIDDEN = (b"bcc", b"return-path", b"mt-priority")
"""Names of fields that are removed. Bcc lists blind copies (RFC 5322 §3.6.3). Final delivery writes Return-Path
(RFC 5321 §4.4), and the relay writes MT-Priority (RFC 6758)."""


def complete(section: bytes, letter: LetterId, hostname: str, at: float) -> bytes:
    """Adds Date and Message-ID if they are missing, and removes HIDDEN; all other fields stay as they are."""
    section = strip_fields(section, HIDDEN)
    added = b""
    if not has(section, b"message-id"):
        added += message_id(letter, hostname)
    if not has(section, b"date"):
        added += date_field(at)
    return added + section


AUTH_REQUIRED = reply(530, "5.7.0", "Authentication required")
SENDER_NOT_QUALIFIED = reply(501, "5.1.7", "the sender's domain is not fully qualified")
RECIPIENT_NOT_QUALIFIED = reply(501, "5.1.3", "the recipient's domain is not fully qualified")


class SubmissionRules:
    """Receiving rules for authenticated users on ports 587 and 465."""

    def __init__(
        self,
        intake: Intake,
        ownership: Ownership | None,
        *,
        priorities: Priorities | None = None,
        from_header_policy: FromHeaderPolicy | None = None,
        at_sender: tuple[SenderPolicy, ...] = (),
        at_recipient: tuple[RecipientPolicy, ...] = (),
        signing: OutboundSigner | None = None,
        owners: AddressOwners | None = None,
        verp: Sequence[str] = (),
    ) -> None:
        """Without `ownership` an authenticated user may send from any address.

        `priorities` are those that users may give to their letters; None: at most the normal one. `from_header_policy` handles
        invalid From fields. `signing` signs letters if `owners` give their From to the account; None: no letter is
        signed. Letters of senders that fit a pattern in `verp` get a reverse-path for each recipient.
        """
        self.hostname = intake.hostname
        self.intake = intake
        self._ownership = ownership
        self._priorities = priorities or Priorities()
        self._from_header_policy = from_header_policy or FromHeaderPolicy()
        self._at_sender = at_sender
        self._at_recipient = at_recipient
        self._signing = signing
        self._owners = owners
        self._verp = tuple(verp)

    async def check_client(self, client: Client) -> None:
        """Accepts every client: users are identified by AUTH, not by address."""

    def name_of(self, client: Client) -> str:  # noqa: ARG002
        """Looks up no name: no rule of submission depends on it."""
        return ""

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Requires authentication (RFC 6409 §4.3), and a sender address owned by the account if `ownership` is set (§6.1)."""
        if client.account is None:
            raise Refusal(TLS_FIRST if client.must_start_tls else AUTH_REQUIRED)
        if mail.sender is not None and not self._is_qualified(mail.sender):
            raise Refusal(SENDER_NOT_QUALIFIED)
        if self._ownership is not None:
            enforce(await self._ownership.may_send_as(client.account, mail.sender))
        if self._at_sender:
            enforce(await evaluate(self._at_sender, client, mail))

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Accepts every domain. A local address must exist: a refusal now spares a report later (RFC 6409 §3.2)."""
        if self.intake.is_local(rcpt.address):
            await self.intake.check_mailbox(rcpt.address, client.declared_size)
        elif not self._is_qualified(rcpt.address):
            raise Refusal(RECIPIENT_NOT_QUALIFIED)
        if self._at_recipient:
            enforce(await evaluate(self._at_recipient, client, rcpt))

    def priorities(self, client: Client) -> Priorities:  # noqa: ARG002
        """Priorities that users may use: the same for all of them."""
        return self._priorities

    def header_hooks(self, client: Client) -> Sequence[HeaderHook]:  # noqa: ARG002
        """Hooks for the MT-Priority field, which counts for trusted clients."""
        return self._priorities.header_hooks

    def _is_qualified(self, address: Address) -> bool:
        """Whether the domain is fully qualified (RFC 6409 §4.2). A local domain of one label is accepted."""
        return "." in address.domain or address.is_literal or self.intake.is_local(address)

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """Adds missing fields (RFC 6409 §8), repairs or refuses invalid ones (§6.3)."""
        self.intake.check_hops(section)
        section = await self._from_header_policy.apply(section, envelope.sender, arrival.account)
        section = remove_results_of(self.hostname, section)
        return complete(section, letter, self.hostname, arrival.at)

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:  # noqa: ARG002
        """Signs the letter if its author has a key and the account owns that address (RFC 6409 §8.5)."""
        if self._verp:
            letter = replace(letter, envelope=with_verp(letter.envelope, self._verp))
        account, owners = letter.arrival.account, self._owners
        if self._signing is None or account is None or owners is None:
            return letter, NO_FACTS
        return await self._signing.signed(letter, lambda from_header_policy: owners.owns(account, from_header_policy))

    async def accept(self, letter: Letter, facts: Facts) -> None:
        """Accepts the letter into the queue; durable when this returns."""
        await self.intake.accept(letter, "submitted", facts)


def with_verp(envelope: Envelope, patterns: Sequence[str]) -> Envelope:
    """Requests VERP in the envelope if its sender fits one of the patterns."""
    sender = envelope.sender
    if sender is None or delimiters_of(envelope) is not None:
        return envelope
    if not any(fits_address(pattern, sender) for pattern in patterns):
        return envelope
    return replace(envelope, parameters=(*envelope.parameters, (XVERP, DELIMITERS)))
