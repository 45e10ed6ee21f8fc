"""The rules of a capture port that is not for everybody: those of the exchange, behind TLS, a login and a pattern of recipients."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, header
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.extensions.hooks import HeaderHook
from mailstack.protocols.smtp.extensions.mtpriority import Priorities
from mailstack.protocols.smtp.receiving_rules import Client, Facts, ReceivedOctets
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.protocols.smtp.standard_replies import TLS_FIRST
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules

AUTH_FIRST = reply(530, "5.7.0", "Authentication required")
NOT_ALLOWED = reply(550, "5.1.1", "no letter for that recipient is taken here")

DROPPED = reply(250, "2.0.0", "OK, for nobody: no letter for these recipients is kept")
"""What is dropped without a word."""
KNOWN = reply(250, "2.0.0", "OK, and not kept again: a letter of this Message-ID is here")


class Capture:
    """A station (smtp.session.Station): what it does not say itself, the exchange does."""

    def __init__(
        self,
        exchange: MxRules,
        *,
        login: bool = False,
        tls: bool = False,
        recipients: re.Pattern[str] | None = None,
        drops_others: bool = False,
        is_known: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        """`login`: only who has logged in may send; `tls`: and only under TLS. `recipients` is found in each address that
        is taken; None: all are. `drops_others`: the others hear 250 as well, and get nothing.
        `is_known`: whether there is a letter of that Message-ID: another one hears 250 and is dropped; None: each is kept.
        """
        self._exchange = exchange
        self._login = login
        self._tls = tls
        self._drops_others = drops_others
        self._is_known = is_known
        self._recipients = recipients

    @property
    def hostname(self) -> str:
        return self._exchange.hostname

    @property
    def counter(self) -> Intake:
        return self._exchange.counter

    async def check_client(self, client: Client) -> None:
        await self._exchange.check_client(client)

    def name_of(self, client: Client) -> str:
        """Of the client, if it is known."""
        return self._exchange.name_of(client)

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """RFC 3207 §4: 530 before TLS; RFC 4954 §6: 530 before a login."""
        if self._tls and client.must_start_tls:
            raise Refusal(TLS_FIRST)
        if self._login and client.account is None:
            raise Refusal(AUTH_FIRST)
        await self._exchange.check_sender(client, mail)

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Whether the pattern is found in the address."""
        if self._takes(rcpt.address):
            await self._exchange.check_recipient(client, rcpt)
        elif not self._drops_others:
            raise Refusal(NOT_ALLOWED, "the pattern of recipients does not fit")

    def _takes(self, recipient: Address) -> bool:
        return self._recipients is None or self._recipients.search(str(recipient)) is not None

    def priorities(self, client: Client) -> Priorities:
        """As the exchange has them."""
        return self._exchange.priorities(client)

    def header_hooks(self, client: Client) -> Sequence[HeaderHook]:
        """The MT-Priority field counts for a client that is trusted."""
        return self._exchange.header_hooks(client)

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """As the exchange does. Raises Refusal, also with a reply of success."""
        if self._is_known is not None and (message_id := _message_id(section)) and await self._is_known(message_id):
            raise Refusal(KNOWN, "its Message-ID is known")
        return await self._exchange.edit_header(section, letter, envelope, arrival)

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        """As the exchange does."""
        return await self._exchange.complete(letter, arrived)

    async def accept(self, letter: Letter, facts: Facts) -> None:
        """Take responsibility, for those who are taken; durable when it returns. Raises Refusal, also with a reply of success."""
        recipients = tuple(each for each in letter.envelope.recipients if self._takes(each.address))
        if not recipients:
            raise Refusal(DROPPED, "the pattern of recipients fits nobody")
        await self._exchange.accept(replace(letter, envelope=replace(letter.envelope, recipients=recipients)), facts)


def _message_id(section: bytes) -> str:
    """Without its angle brackets; "" for none."""
    for name, field in header.fields(section):
        if name == b"message-id":
            return field.partition(b":")[2].decode("utf-8", "replace").strip().removeprefix("<").removesuffix(">")
    return ""
