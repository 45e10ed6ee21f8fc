"""Submission of letters by HTTP, with the same receiving rules as SMTP."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import formatdate, make_msgid

from msgspec import Struct

from mailstack.letter import Address, AddressError, Arrival, Envelope, LetterId, Recipient, ReversePath, new_letter_id
from mailstack.letter.envelope import HostPort
from mailstack.letter.header import split, strip_fields
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.incoming_content import IncomingContent
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.protocols.smtp.session_state import SessionLimits
from mailstack.queue.enqueue import COPY_OF
from mailstack.relay.external_relay import ExternalRelay

NO_RECIPIENT = reply(554, "5.5.1", "Error: no valid recipients")
BAD_ADDRESS = reply(501, "5.1.3", "Bad recipient address syntax")
CHUNK = 65_536
"""Octets that are written in one step."""
_PRIVATE_FIELDS = (b"bcc",)


class CopySource(Struct, frozen=True):
    """Original of a letter that is sent again."""

    letter: LetterId
    reason: str
    """Reason in the journey, for people."""


class _HttpClient(Struct, frozen=True):
    """SMTP client value of a user that logged in by HTTP."""

    account: str | None
    sender: ReversePath
    declared_size: int
    remote: HostPort = HostPort("", 0)
    helo: str = ""
    must_start_tls: bool = False


class WebSubmission:
    def __init__(self, rules: ReceivingRules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock

    async def submit(
        self,
        sender: str,
        recipients: Sequence[str],
        octets: bytes,
        *,
        account: str | None = None,
        copied: CopySource | None = None,
    ) -> LetterId:
        """Accept a letter durably and return its id. An empty sender is the null reverse-path.

        `copied` links the journeys of the letter and its original. With an `account`, the rules for senders and recipients
        apply too. Bcc fields are removed (RFC 5322 §3.6.3). Raises Refusal.
        """
        try:
            envelope = Envelope(
                Address.parse(sender) if sender else None,
                tuple(Recipient(Address.parse(each)) for each in recipients),
                "7BIT" if octets.isascii() else "8BITMIME",
                () if "".join((sender, *recipients)).isascii() else (("SMTPUTF8", ""),),
            )
        except AddressError as error:
            raise Refusal(BAD_ADDRESS, str(error)) from error
        if not envelope.recipients:
            raise Refusal(NO_RECIPIENT)
        now = self._clock.now()
        if account is not None:
            client = _HttpClient(account, envelope.sender, len(octets))
            await self._rules.check_sender(client, Mail(envelope.sender, envelope.parameters, len(octets)))
            for recipient in envelope.recipients:
                await self._rules.check_recipient(client, Rcpt(recipient.address))
        self._rules.intake.check_room(len(octets))
        arrival = Arrival(at=now, server=self._rules.hostname, protocol="HTTP", account=account)
        limit = SessionLimits().header_size
        content = IncomingContent(self._rules, letter := new_letter_id(now), envelope, arrival, limit)
        end = split(octets)
        try:
            await content.write(strip_fields(octets[:end], _PRIVATE_FIELDS))
            for at in range(end, len(octets), CHUNK):
                await content.write(octets[at : at + CHUNK])
            whole = await content.finish()
            facts = content.facts if copied is None else {**content.facts, COPY_OF: copied.letter, "why": copied.reason}
            await self._rules.accept(whole, facts)
        except BaseException:
            content.discard()
            raise
        return letter


RELEASED = "released by a user"

_HOST = "mailstack.invalid"
"""Domain of a Message-ID if the author has none."""


class LetterRelease:
    def __init__(self, outlet: ExternalRelay, intake: WebSubmission, clock: Clock) -> None:
        """`intake` submits to a server that relays to the `outlet`."""
        self.outlet = outlet
        self._intake = intake
        self._clock = clock

    async def relay(self, sender: str, recipients: Sequence[str], octets: bytes, copied: CopySource) -> LetterId | None:
        """Forward a letter unchanged to the recipients that the outlet allows; None without any. Raises Refusal."""
        allowed = [each for each in recipients if self.outlet.allows(each)]
        if not allowed:
            return None
        sender, octets = self.outlet.relayed(sender, octets)
        return await self._intake.submit(sender, allowed, octets, copied=copied)

    async def release(self, author: str, recipients: Sequence[str], octets: bytes, of: LetterId) -> LetterId:
        """Send a letter again with a new Date and Message-ID. Raises Refusal."""
        date = formatdate(self._clock.now()).encode()
        message_id = make_msgid(domain=author.rpartition("@")[2] or _HOST).encode()
        sender, octets = self.outlet.released(author, octets, date, message_id)
        return await self._intake.submit(sender, recipients, octets, copied=CopySource(of, RELEASED))
