"""Users of a simulated internet: authors submit letters, readers collect them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from msgspec import Struct

from mailstack.letter import Address, AddressError, Envelope, LetterId, Recipient
from mailstack.letter.compose import Heading, compose, text_part
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets
from mailstack.protocols.imap.client import ImapClientEngine, ImapData
from mailstack.protocols.imap.client_session import ImapClientSession
from mailstack.protocols.pop3.client import Pop3ClientEngine, Pop3ClientSession
from mailstack.protocols.sasl.scram_keys import salted
from mailstack.protocols.smtp.client import ClientEngine as SmtpClient
from mailstack.protocols.smtp.client_session import SmtpClientSession
from mailstack.protocols.smtp.replies import Reply
from mailstack.sandbox.arguments import parse_address
from mailstack.sandbox.simulation.clock import seconds_of
from mailstack.sandbox.simulation.collected import CollectedLetter
from mailstack.sandbox.simulation.host import MAX_RUN
from mailstack.sandbox.simulation.mailbox_copy import IdleNews, MailboxCopy, SyncedMailbox, read_news
from mailstack.sandbox.simulation.server import SimulatedServer
from mailstack.sandbox.simulation.world import World

TIMEOUT_S = 600.0
"""Timeout of a user's client for a connection and for each POP3 or IMAP reply, in virtual seconds."""

RENEWAL = "29m"
"""Default span after which a reader renews IDLE: less than 30 minutes (RFC 2177 §3)."""

SESSION_S = 82_800.0
"""Maximum virtual seconds of a reader's connection in IDLE; servers end connections after a day."""

_QUEUED_AS = re.compile(r"queued as ([0-9a-z]{15})")


# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


class SubmissionRefused(Exception):
    """Letter refused for all recipients; str() has the replies."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        super().__init__("; ".join(dict.fromkeys(map(str, replies))))
        self.replies = tuple(replies)


class SubmittedLetter(Struct, frozen=True):
    """Letter that a server has accepted."""

    id: LetterId
    """Id of the letter in that server, for `Internet.journey`."""
    replies: dict[str, Reply]
    """Final replies by recipient."""

    @property
    def refused(self) -> dict[str, Reply]:
        """Replies to refused recipients."""
        return {to: reply for to, reply in self.replies.items() if not reply.positive}


_salted = lru_cache(1024)(salted)


async def _derive(password: str, salt: bytes, iterations: int) -> bytes:
    """SCRAM key of a password; cached, because key derivation is slow."""
    return _salted(password, salt, iterations)


class SimulatedUser:
    """User with an account and a host of their own. The password of every account is its address."""

    def __init__(self, world: World, address: str, server: SimulatedServer, host: Any) -> None:
        self.address = address
        self.server = server
        """Server of the account."""
        self.host = host
        """Host of the user."""
        self._world = world
        self._parsed = Address.parse(address)

    def _connector(self) -> Any:
        return self._world.caller_of(self.host, self.host.addresses[0])


class SimulatedAuthor(SimulatedUser):
    """Author that submits letters as a mail client does: port 587, STARTTLS with a verified certificate, AUTH."""

    def submit(
        self,
        to: str | Sequence[str | Recipient] = (),
        subject: str = "",
        text: str = "",
        *,
        raw: bytes | None = None,
        sender: str | None = None,
        body: str = "7BIT",
        parameters: Sequence[tuple[str, str]] = (),
    ) -> SubmittedLetter:
        """Submits a letter, and waits for the replies. Raises SubmissionRefused, SmtpSessionError, ConnectFailed.

        A recipient without @ is in the domain of the account. `raw` is a complete content in place of `subject` and
        `text`. `sender` is the reverse-path; None: the account. `body` (7BIT, 8BITMIME …) and `parameters` are
        parameters of MAIL.
        """
        try:
            return self._world.result_of(
                self.submit_async(to, subject, text, raw=raw, sender=sender, body=body, parameters=parameters)
            )
        except (SubmissionRefused, AddressError) as error:
            raise error.with_traceback(None) from None

    async def submit_async(
        self,
        to: str | Sequence[str | Recipient] = (),
        subject: str = "",
        text: str = "",
        *,
        raw: bytes | None = None,
        sender: str | None = None,
        body: str = "7BIT",
        parameters: Sequence[tuple[str, str]] = (),
    ) -> SubmittedLetter:
        """Coroutine of `submit`, for later events: `internet.after("4h", lambda: ann.submit_async(…))`."""
        named = (to,) if isinstance(to, str) else tuple(to)
        recipients = tuple(
            each if isinstance(each, Recipient) else Recipient(parse_address(each, self._parsed.domain))
            for each in named
        )
        content = self._write(recipients, subject, text) if raw is None else raw
        if body == "7BIT" and not content.isascii():
            body = "8BITMIME"
        envelope = Envelope(Address.parse(sender or self.address), recipients, body, tuple(parameters))
        session = await self.session()
        replies = await session.transact(envelope, recipients, Octets(content))
        await session.quit()
        replies_by_address = {
            str(recipient.address): reply for recipient, reply in zip(recipients, replies, strict=True)
        }
        accepted = next((reply for reply in replies if reply.positive), None)
        found = _QUEUED_AS.search(accepted.text) if accepted is not None else None
        if found is None:
            raise SubmissionRefused(replies)
        return SubmittedLetter(LetterId(found[1]), replies_by_address)

    async def session(self) -> SmtpClientSession:
        """Authenticated SMTP session with the server."""
        engine, hostname = SmtpClient(), self.server.hostname
        peer = await self._connector().connect(HostPort(self.server.address, 587), engine, timeout=TIMEOUT_S)
        session = SmtpClientSession(peer, engine, "client.invalid")
        await session.open()
        await session.start_tls(hostname, verify=True)
        await session.authenticate(self.address, self._parsed.key, derive=_derive)
        return session

    def _write(self, recipients: Sequence[Recipient], subject: str, text: str) -> bytes:
        heading = Heading(
            ("", self.address),
            [("", str(each.address)) for each in recipients],
            subject,
            format_datetime(self._world.date),
            f"{self._world.count_letter()}.simulated@{self._parsed.domain}",
        )
        return compose(heading, text_part("plain", text))


class SimulatedReader(SimulatedUser):
    """Reader that uses POP3 or IMAP as a mail client does: STARTTLS with a verified certificate, login.

    Each reader is a client with its own copy of each folder, for `sync`.
    """

    def __init__(self, world: World, address: str, server: SimulatedServer, host: Any) -> None:
        super().__init__(world, address, server, host)
        self._copies: dict[str, MailboxCopy] = {}

    def collect(self, *, keep: bool = False) -> list[CollectedLetter]:
        """Downloads all letters of the mailbox, the oldest first; `keep` leaves them there.

        Raises Refused, Pop3ConnectionLost, ConnectFailed.
        """
        return self._world.result_of(self.collect_async(keep=keep))

    async def collect_async(self, *, keep: bool = False) -> list[CollectedLetter]:
        """Coroutine of `collect`."""
        session = await self.session()
        count, _ = await session.stat()
        letters = []
        for number in range(1, count + 1):
            letters.append(CollectedLetter(await session.retr(number)))
            if not keep:
                await session.dele(number)
        await session.quit()
        return letters

    async def session(self) -> Pop3ClientSession:
        """Authenticated POP3 session with the mailbox."""
        engine = Pop3ClientEngine()
        peer = await self._connector().connect(HostPort(self.server.address, 110), engine, timeout=TIMEOUT_S)
        session = Pop3ClientSession(peer, engine, timeout=TIMEOUT_S)
        await session.open()
        await session.start_tls(self.server.hostname, verify=True)
        await session.utf8()
        await session.login(self.address, self._parsed.key)
        return session

    # --- IMAP

    def sync(self, folder: str = "INBOX", *, qresync: bool = False) -> SyncedMailbox:
        """Synchronizes the copy of a folder over IMAP; returns it with what is new since the last `sync` of this reader.

        `qresync` uses quick resynchronization (RFC 7162), else all flags are fetched. New messages stay unread.
        Raises ImapRefused, ImapConnectionLost, ConnectFailed.
        """
        return self._world.result_of(self.sync_async(folder, qresync=qresync))

    async def sync_async(self, folder: str = "INBOX", *, qresync: bool = False) -> SyncedMailbox:
        """Coroutine of `sync`."""
        session = await self.imap_session()
        synced = await self._copies.setdefault(folder, MailboxCopy(folder)).sync(session, qresync=qresync)
        await session.logout()
        return synced

    def idle(self, span: float | str, folder: str = "INBOX", *, renewal: float | str = RENEWAL) -> list[IdleNews]:
        """Lets virtual time pass in IDLE (RFC 2177); returns what the server reported about a folder.

        The reader sends IDLE again after each `renewal` (seconds, or "29m"), and connects anew after 23 hours.
        A server ends IDLE after 30 minutes, and a connection after a day.
        Raises ImapRefused, ImapConnectionLost, ConnectFailed.
        """
        idle = self.idle_async(span, folder, renewal=renewal)
        return self._world.result_of(idle, at_most=seconds_of(span) + MAX_RUN)

    async def idle_async(
        self, span: float | str, folder: str = "INBOX", *, renewal: float | str = RENEWAL
    ) -> list[IdleNews]:
        """Coroutine of `idle`, for several readers at once: `internet.after(0, lambda: bob.idle_async("29m"))`."""
        news: list[IdleNews] = []
        end = self._world.now + seconds_of(span)
        while (now := self._world.now) < end:
            await self._idle_until(min(end, now + SESSION_S), folder, seconds_of(renewal), news)
        return news

    async def _idle_until(self, end: float, folder: str, renewal: float, news: list[IdleNews]) -> None:
        """IDLE in one connection until a virtual time; adds to `news`."""
        world = self._world

        def add(data: ImapData) -> None:
            news.append(read_news(data, world.now))

        session = await self.imap_session()
        await session.select(folder)
        while (left := end - world.now) > 0:
            timer = world.after(min(left, renewal), session.wake)
            try:
                await session.idle_until_woken(add)
            finally:
                if timer.active():
                    timer.cancel()
        await session.logout()

    async def imap_session(self) -> ImapClientSession:
        """Authenticated IMAP session with the account; no folder is selected."""
        engine = ImapClientEngine()
        peer = await self._connector().connect(HostPort(self.server.address, 143), engine, timeout=TIMEOUT_S)
        session = ImapClientSession(peer, engine, timeout=TIMEOUT_S)
        await session.open()
        await session.start_tls(self.server.hostname, verify=True)
        await session.login(self.address, self._parsed.key)
        return session
