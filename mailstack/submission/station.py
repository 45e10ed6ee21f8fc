"""The rules of submission: who may hand in, as whom, for whom (RFC 6409 §3, §4, §6)."""

from __future__ import annotations

from mailstack.letter import Letter, LetterId
from mailstack.policy import demand
from mailstack.policy.ownership import Ownership
from mailstack.queue.counter import Counter
from mailstack.smtp.commands import Mail, Rcpt
from mailstack.smtp.extensions.mtpriority import Priorities
from mailstack.smtp.replies import Refusal, reply
from mailstack.smtp.session import TLS_FIRST
from mailstack.smtp.station import Client
from mailstack.submission.fixups import complete

AUTH_FIRST = reply(530, "5.7.0", "Authentication required")


class Submission:
    """A station (smtp.session.Station) for our own users on ports 587 and 465."""

    def __init__(self, counter: Counter, ownership: Ownership | None, priorities: Priorities | None = None) -> None:
        """Without `ownership` an authenticated user may send under any name.

        `priorities` are those that our users may give to their letters; None: at most the normal one.
        """
        self.hostname = counter.hostname
        self.counter = counter
        self._ownership = ownership
        self._priorities = priorities or Priorities()

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Nobody sends here who did not say who he is (RFC 6409 §4.3), nor in another's name (§6.1)."""
        if client.account is None:
            raise Refusal(TLS_FIRST if client.must_start_tls else AUTH_FIRST)
        if self._ownership is not None:
            demand(await self._ownership.may_send_as(client.account, mail.sender))

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Any domain; a mailbox here must be there (RFC 6409 §3.2: better told now than by a report)."""
        if self.counter.is_local(rcpt.address):
            await self.counter.check_mailbox(rcpt.address, client.declared_size)

    def priorities(self, client: Client) -> Priorities:  # noqa: ARG002
        """The same for every user; nobody gets here without a login."""
        return self._priorities

    def edit_header(self, section: bytes, letter: LetterId, at: float) -> bytes:
        """Complete what is missing (RFC 6409 §8)."""
        self.counter.check_hops(section)
        return complete(section, letter, self.hostname, at)

    async def accept(self, letter: Letter) -> None:
        """Take responsibility; durable when it returns."""
        await self.counter.accept(letter, "submitted")
