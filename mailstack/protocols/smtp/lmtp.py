"""LMTP server session: a reply for each recipient (RFC 2033)."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from mailstack.letter import Letter, Recipient
from mailstack.protocols.smtp.receiving_rules import Facts, ReceivingRules
from mailstack.protocols.smtp.replies import EachReply, Refusal, Reply, queued_as, reply
from mailstack.protocols.smtp.server_session import ServerSession


class LmtpReceivingRules(ReceivingRules, Protocol):
    """Receiving rules of an LMTP port."""

    async def check_delivery(self, recipient: Recipient, size: int) -> None:
        """Whether a letter of `size` octets can be delivered to a recipient that was taken; may raise Refusal."""


class LmtpSession(ServerSession):
    """A Session with an engine that speaks LMTP."""

    __slots__ = ()

    rules: LmtpReceivingRules

    @property
    def _greeting(self) -> Reply:
        return reply(220, None, f"{self.rules.hostname} LMTP mailstack")

    def _protocol(self) -> str:
        """The `with` clause (RFC 3848; RFC 6531 §4.3)."""
        return super()._protocol().replace("ESMTP", "LMTP").replace("UTF8SMTP", "UTF8LMTP")

    async def _accept(self, letter: Letter, facts: Facts) -> Reply:
        """A reply for each recipient (§4.2); the letter is accepted for those with room for it."""
        refusals: dict[int, Reply] = {}
        recipients = letter.envelope.recipients
        for number, recipient in enumerate(recipients):
            try:
                await self.rules.check_delivery(recipient, letter.content.size)
            except Refusal as refusal:
                refusals[number] = refusal.reply
        taken = tuple([recipient for number, recipient in enumerate(recipients) if number not in refusals])
        done = queued_as(letter)
        if taken:
            await self.rules.accept(replace(letter, envelope=replace(letter.envelope, recipients=taken)), facts)
        else:
            done = refusals[0]
        each = tuple([refusals.get(number, done) for number in range(len(recipients))])
        return EachReply(done.code, done.text, done.status, each=each)
