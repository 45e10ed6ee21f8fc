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

from mailstack.letter import Address, Envelope, LetterId, Recipient
from mailstack.letter.compose import Heading, compose
from mailstack.letter.connection import HostPort
from mailstack.letter.content import Octets
from mailstack.letter.mime.composition import text_part
from mailstack.protocols.pop3.client import ClientEngine as Pop3Client
from mailstack.protocols.pop3.client_session import Pop3ClientSession
from mailstack.protocols.sasl.scram_keys import salted
from mailstack.protocols.smtp.client import ClientEngine as SmtpClient
from mailstack.protocols.smtp.client_session import SmtpClientSession
from mailstack.protocols.smtp.replies import Reply
from mailstack.sandbox.simulation.server import SimulatedServer
from mailstack.sandbox.simulation.world import World

PATIENCE = 600.0
"""Virtual seconds that a person's program waits for a connection, and for each answer of a mailbox."""

_QUEUED_AS = re.compile(r"queued as ([0-9a-z]{15})")


class NotTaken(Exception):
    """The server took the letter for none of its recipients; str() says what it said."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        super().__init__("; ".join(dict.fromkeys(map(str, replies))))
        self.replies = tuple(replies)


class Sent(Struct, frozen=True):
    """A letter that a server has taken."""

    id: LetterId
    """Its id in that server, which leads to its journey."""
    replies: dict[str, Reply]
    """By recipient: what the server said last about it."""

    @property
    def refused(self) -> dict[str, Reply]:
        """The recipients that were not taken, and why."""
        return {to: reply for to, reply in self.replies.items() if not reply.positive}


class Collected(Struct, frozen=True):
    """A letter as its reader has it."""

    octets: bytes

    @property
    def message(self) -> EmailMessage:
        """Parsed by Python's own library."""
        return email.message_from_bytes(self.octets, policy=email.policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def text(self) -> str:
        """The part that is for people, in plain text; empty when there is none. Lines end in LF."""
        part = self.message.get_body(("plain",))
        return "" if part is None else str(part.get_content()).replace("\r\n", "\n")

    @property
    def return_path(self) -> str:
        """The envelope's sender; empty for a report."""
        return str(self.message["Return-Path"] or "").strip("<>")

    @property
    def is_report(self) -> bool:
        """Whether it is a bounce, or another report on a letter (RFC 3464)."""
        return self.message.get_content_type() == "multipart/report"

    def __str__(self) -> str:
        return self.octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


@lru_cache(1024)
def _salted(password: str, salt: bytes, iterations: int) -> bytes:
    return salted(password, salt, iterations)


async def _derive(password: str, salt: bytes, iterations: int) -> bytes:
    """What SCRAM derives of a password; it costs more than all else of a login, and is always the same."""
    return _salted(password, salt, iterations)


class Person:
    """Somebody with an account, and a machine of his own to use it from. The password of every account is its address."""

    def __init__(self, world: World, address: str, site: SimulatedServer, host: Any) -> None:
        self.address = address
        self.site = site
        """The server that the account is at."""
        self.host = host
        """The person's machine."""
        self._world = world
        self._parsed = Address.parse(address)

    def _caller(self) -> Any:
        return self._world.caller_of(self.host, self.host.addresses[0])


class Author(Person):
    """Hands letters in as a mail program does: port 587, STARTTLS with the certificate verified, AUTH."""

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
    ) -> Sent:
        """Hand a letter in, and wait for what the server says. Raises NotTaken, SmtpSessionError, ConnectFailed.

        `raw` is a whole content in place of one made of `subject` and `text`. `sender` is the reverse-path, where that
        is not the account itself; `body` (7BIT, 8BITMIME …) and `parameters` are those of MAIL.
        """
        return self._world.result_of(
            self.submitting(to, subject, text, raw=raw, sender=sender, body=body, parameters=parameters)
        )

    async def submitting(
        self,
        to: str | Sequence[str | Recipient] = (),
        subject: str = "",
        text: str = "",
        *,
        raw: bytes | None = None,
        sender: str | None = None,
        body: str = "7BIT",
        parameters: Sequence[tuple[str, str]] = (),
    ) -> Sent:
        """The same as a coroutine, for what shall happen later: `internet.after("4h", lambda: ann.submitting(…))`."""
        named = (to,) if isinstance(to, str) else tuple(to)
        recipients = tuple(each if isinstance(each, Recipient) else Recipient(Address.parse(each)) for each in named)
        content = self._write(recipients, subject, text) if raw is None else raw
        if body == "7BIT" and not content.isascii():
            body = "8BITMIME"
        envelope = Envelope(Address.parse(sender or self.address), recipients, body, tuple(parameters))
        session = await self.session()
        replies = await session.transact(envelope, recipients, Octets(content))
        await session.quit()
        said = {str(recipient.address): reply for recipient, reply in zip(recipients, replies, strict=True)}
        taken = next((reply for reply in replies if reply.positive), None)
        found = _QUEUED_AS.search(taken.text) if taken is not None else None
        if found is None:
            raise NotTaken(replies)
        return Sent(LetterId(found[1]), said)

    async def session(self) -> SmtpClientSession:
        """A session with the server, logged in."""
        engine, hostname = SmtpClient(), self.site.hostname
        peer = await self._caller().call(HostPort(self.site.address, 587), engine, timeout=PATIENCE)
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


class Reader(Person):
    """Collects letters as a mail program does: POP3, STLS with the certificate verified, login."""

    def collect(self, *, keep: bool = False) -> list[Collected]:
        """Every letter of the mailbox, the oldest first; with `keep` they stay there.

        Raises pop3.fetching.Refused, Broken, ConnectFailed.
        """
        return self._world.result_of(self.collecting(keep=keep))

    async def collecting(self, *, keep: bool = False) -> list[Collected]:
        """The same as a coroutine."""
        session = await self.session()
        count, _ = await session.stat()
        letters = []
        for number in range(1, count + 1):
            letters.append(Collected(await session.retr(number)))
            if not keep:
                await session.dele(number)
        await session.quit()
        return letters

    async def session(self) -> Pop3ClientSession:
        """A session with the mailbox, logged in."""
        engine = Pop3Client()
        peer = await self._caller().call(HostPort(self.site.address, 110), engine, timeout=PATIENCE)
        session = Pop3ClientSession(peer, engine, timeout=PATIENCE)
        await session.open()
        await session.start_tls(self.site.hostname, verify=True)
        await session.utf8()
        await session.login(self.address, self._parsed.key)
        return session
