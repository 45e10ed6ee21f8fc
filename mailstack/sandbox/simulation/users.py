"""Users of a simulated internet: authors submit letters, readers collect them."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from msgspec import Struct

from mailstack.letter import Address, AddressError, Envelope, LetterId, Recipient
from mailstack.letter.compose import Heading, compose, text_part
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets
from mailstack.protocols.pop3.client import Pop3ClientEngine, Pop3ClientSession
from mailstack.protocols.sasl.scram_keys import salted
from mailstack.protocols.smtp.client import ClientEngine as SmtpClient
from mailstack.protocols.smtp.client_session import SmtpClientSession
from mailstack.protocols.smtp.replies import Reply
from mailstack.sandbox.arguments import parse_address
from mailstack.sandbox.simulation.server import SimulatedServer
from mailstack.sandbox.simulation.world import World

TIMEOUT_S = 600.0
"""Timeout of a user's client for a connection and for each POP3 reply, in virtual seconds."""

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


class CollectedLetter(Struct, frozen=True):
    """Letter as its reader downloaded it."""

    octets: bytes

    @property
    def message(self) -> EmailMessage:
        """Letter as a message of Python's `email` package."""
        return email.message_from_bytes(self.octets, policy=email.policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def text(self) -> str:
        """Plain text of the letter, with LF as line end; empty without one."""
        part = self.message.get_body(("plain",))
        return "" if part is None else str(part.get_content()).replace("\r\n", "\n")

    @property
    def return_path(self) -> str:
        """Reverse-path of the envelope; empty for a report."""
        return str(self.message["Return-Path"] or "").strip("<>")

    @property
    def is_report(self) -> bool:
        """Whether the letter is a delivery report (RFC 3464)."""
        return self.message.get_content_type() == "multipart/report"

    def __str__(self) -> str:
        return self.octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


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
    """Reader that downloads letters as a mail client does: POP3, STLS with a verified certificate, login."""

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
