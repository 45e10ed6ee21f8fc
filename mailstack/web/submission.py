"""Letters that enter a server by HTTP: the rules of a station hold for them, as in a session of SMTP."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import formatdate, make_msgid

from msgspec import Struct

from mailstack.letter import (
    Address,
    AddressError,
    Arrival,
    Envelope,
    LetterId,
    Recipient,
    ReversePath,
    new_letter_id,
)
from mailstack.letter.connection import HostPort
from mailstack.letter.header import split, without
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.incoming_content import IncomingContent
from mailstack.protocols.smtp.limits import SessionLimits
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.queue.enqueue import COPY_OF
from mailstack.relay.external_relay import ExternalRelay

NO_RECIPIENT = reply(554, "5.5.1", "no recipients")
BAD_ADDRESS = reply(501, "5.1.3", "that is no address")
AT_ONCE = 65_536
"""Octets that are written in one go."""
_ONLY_SEEN_BY_SENDER = (b"bcc",)


class Copied(Struct, frozen=True):
    """Where a letter comes from that was here before."""

    of: LetterId
    why: str
    """For people."""


class _Author(Struct, frozen=True):
    """A smtp.station.Client that logged in by HTTP."""

    account: str | None
    sender: ReversePath
    declared_size: int
    remote: HostPort = HostPort("", 0)
    helo: str = ""
    must_start_tls: bool = False


class WebSubmission:
    """Hands letters to a station."""

    def __init__(self, station: ReceivingRules, clock: Clock) -> None:
        self._station = station
        self._clock = clock

    async def hand_in(
        self,
        sender: str,
        recipients: Sequence[str],
        octets: bytes,
        *,
        account: str | None = None,
        copied: Copied | None = None,
    ) -> LetterId:
        """Take responsibility for a letter; durable when it returns. An empty sender is the null reverse-path.

        If it is `copied` from another one of this store, their journeys lead to each other.

        With an `account`, who answers for it, the station's rules about sender and recipients hold as well. Blind copies are not told in it (RFC 5322 §3.6.3). Raises Refusal.
        """
        try:
            envelope = Envelope(
                Address.parse(sender) if sender else None,
                tuple(Recipient(Address.parse(each)) for each in recipients),
                "7BIT" if octets.isascii() else "8BITMIME",
                () if _is_ascii(sender, recipients) else (("SMTPUTF8", ""),),
            )
        except AddressError as error:
            raise Refusal(BAD_ADDRESS, str(error)) from error
        if not envelope.recipients:
            raise Refusal(NO_RECIPIENT)
        now = self._clock.now()
        if account is not None:
            client = _Author(account, envelope.sender, len(octets))
            await self._station.check_sender(client, Mail(envelope.sender, envelope.parameters, len(octets)))
            for recipient in envelope.recipients:
                await self._station.check_recipient(client, Rcpt(recipient.address))
        self._station.counter.check_room(len(octets))
        arrival = Arrival(at=now, server=self._station.hostname, protocol="HTTP", account=account)
        limit = SessionLimits().header_size
        arriving = IncomingContent(self._station, letter := new_letter_id(now), envelope, arrival, limit)
        end = split(octets)
        try:
            await arriving.write(without(octets[:end], _ONLY_SEEN_BY_SENDER))
            for at in range(end, len(octets), AT_ONCE):
                await arriving.write(octets[at : at + AT_ONCE])
            whole = await arriving.finish()
            facts = arriving.facts if copied is None else {**arriving.facts, COPY_OF: copied.of, "why": copied.why}
            await self._station.accept(whole, facts)
        except BaseException:
            arriving.discard()
            raise
        return letter


def _is_ascii(sender: str, recipients: Sequence[str]) -> bool:
    return "".join((sender, *recipients)).isascii()


RELEASED = "somebody released it"

_HOST = "mailstack.invalid"
"""Behind the @ of a Message-ID where the author has no domain."""


class Leaving:
    """Through one outlet."""

    def __init__(self, outlet: ExternalRelay, intake: WebSubmission, clock: Clock) -> None:
        """`intake` is that of a server whose relay leads to the outlet."""
        self.outlet = outlet
        self._intake = intake
        self._clock = clock

    async def relay(self, sender: str, recipients: Sequence[str], octets: bytes, copied: Copied) -> LetterId | None:
        """A letter as it came, to those that the outlet takes; None when these are none. Raises Refusal."""
        taken = [each for each in recipients if self.outlet.allows(each)]
        if not taken:
            return None
        sender, octets = self.outlet.relayed(sender, octets)
        return await self._intake.hand_in(sender, taken, octets, copied=copied)

    async def release(self, author: str, recipients: Sequence[str], octets: bytes, of: LetterId) -> LetterId:
        """A letter that somebody sends on, as one of now. Raises Refusal."""
        date = formatdate(self._clock.now()).encode()
        message_id = make_msgid(domain=author.rpartition("@")[2] or _HOST).encode()
        sender, octets = self.outlet.released(author, octets, date, message_id)
        return await self._intake.hand_in(sender, recipients, octets, copied=Copied(of, RELEASED))
