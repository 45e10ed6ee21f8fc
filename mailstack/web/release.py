"""Letters that leave by an outlet: changed as it wants, and handed to the office that carries them there."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import formatdate, make_msgid

from mailstack.letter import LetterId
from mailstack.protocols.connection import Clock
from mailstack.relay.external_relay import ExternalRelay
from mailstack.web.submission import Copied, WebSubmission

RELEASED = "somebody released it"

_HOST = "mailstack.invalid"
"""Behind the @ of a Message-ID where the author has no domain."""


class Leaving:
    """Through one outlet."""

    def __init__(self, outlet: ExternalRelay, intake: WebSubmission, clock: Clock) -> None:
        """`intake` is that of an office whose relay leads to the outlet."""
        self.outlet = outlet
        self._intake = intake
        self._clock = clock

    async def relay(self, sender: str, recipients: Sequence[str], octets: bytes, copied: Copied) -> LetterId | None:
        """A letter as it came, to those that the outlet takes; None when these are none. Raises Refusal."""
        taken = [each for each in recipients if self.outlet.takes(each)]
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
