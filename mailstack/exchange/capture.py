"""The rules of a capture port that is not for everybody: those of the exchange, behind a login and a pattern of recipients."""

from __future__ import annotations

import re

from mailstack.exchange.station import Exchange
from mailstack.letter import Arrival, Envelope, Letter, LetterId
from mailstack.queue.counter import Counter
from mailstack.smtp.commands import Mail, Rcpt
from mailstack.smtp.extensions.mtpriority import Priorities
from mailstack.smtp.replies import Refusal, reply
from mailstack.smtp.station import Arrived, Client, Facts

AUTH_FIRST = reply(530, "5.7.0", "Authentication required")
NOT_ALLOWED = reply(550, "5.1.1", "no letter for that recipient is taken here")


class Capture:
    """A station (smtp.session.Station): what it does not say itself, the exchange does."""

    def __init__(self, exchange: Exchange, *, login: bool = False, recipients: re.Pattern[str] | None = None) -> None:
        """`login`: only who has logged in may send. `recipients` is found in each address that is taken; None: all are."""
        self._exchange = exchange
        self._login = login
        self._recipients = recipients

    @property
    def hostname(self) -> str:
        return self._exchange.hostname

    @property
    def counter(self) -> Counter:
        return self._exchange.counter

    async def check_client(self, client: Client) -> None:
        await self._exchange.check_client(client)

    def name_of(self, client: Client) -> str:
        """Of the client, if it is known."""
        return self._exchange.name_of(client)

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """RFC 4954 §6: 530 before a login."""
        if self._login and client.account is None:
            raise Refusal(AUTH_FIRST)
        await self._exchange.check_sender(client, mail)

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Whether the pattern is found in the address."""
        if self._recipients is not None and self._recipients.search(str(rcpt.address)) is None:
            raise Refusal(NOT_ALLOWED, "the pattern of recipients does not fit")
        await self._exchange.check_recipient(client, rcpt)

    def priorities(self, client: Client) -> Priorities:
        """As the exchange has them."""
        return self._exchange.priorities(client)

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """As the exchange does."""
        return await self._exchange.edit_header(section, letter, envelope, arrival)

    async def complete(self, letter: Letter, arrived: Arrived) -> tuple[Letter, Facts]:
        """As the exchange does."""
        return await self._exchange.complete(letter, arrived)

    async def accept(self, letter: Letter, facts: Facts) -> None:
        """Take responsibility; durable when it returns."""
        await self._exchange.accept(letter, facts)
