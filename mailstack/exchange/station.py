"""The rules of the mail exchange: what we take on port 25, and for whom (RFC 5321 §3.6.2, §7.9)."""

from __future__ import annotations

from mailstack.letter import Letter, LetterId
from mailstack.letter.header import has, without
from mailstack.policy import demand
from mailstack.policy.relaying import Relaying
from mailstack.queue.counter import Counter
from mailstack.smtp.commands import Mail, Rcpt
from mailstack.smtp.station import Client


class Exchange:
    """A station (smtp.session.Station) for other hosts on port 25."""

    def __init__(self, counter: Counter, relaying: Relaying) -> None:
        self.hostname = counter.hostname
        self.counter = counter
        self._relaying = relaying

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Anybody may send to us, the null reverse-path included (RFC 5321 §4.5.5)."""

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Our own mailboxes for everybody, other domains only for those who may relay."""
        if self.counter.is_local(rcpt.address):
            await self.counter.check_mailbox(rcpt.address, client.declared_size)
        else:
            demand(self._relaying.may_relay(client.remote, client.account))

    def edit_header(self, section: bytes, letter: LetterId, at: float) -> bytes:  # noqa: ARG002
        """Nothing is changed but a Return-Path that came in, which only final delivery may write (RFC 5321 §4.4)."""
        self.counter.check_hops(section)
        return without(section, (b"return-path",)) if has(section, b"return-path") else section

    async def accept(self, letter: Letter) -> None:
        """Take responsibility; durable when it returns."""
        await self.counter.accept(letter, "exchanged")
