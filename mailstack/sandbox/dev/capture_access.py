"""Capture port access: accepted logins and recipients, and the shared POP3 inbox."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.cred.portal import Portal
from zope.interface import Interface

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import FileChecker
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import ISubmitter, Realm
from mailstack.accounts.throttle import Throttle
from mailstack.letter import Arrival, Envelope, Letter, LetterId
from mailstack.letter.envelope import HostPort
from mailstack.letter.step import Step
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import AccountLogin, Authenticator, Credentials, Proof, ScramKeys, Unavailable
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.priorities import Priorities
from mailstack.protocols.smtp.receiving_rules import Client, Facts, HeaderHook, ReceivedOctets, ReceivingRules
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules
from mailstack.sandbox.dev.settings import DevSettings
from mailstack.store import Entry, Maildrop, Store
from mailstack.store.archive import ARCHIVE


def capture_rules(
    settings: DevSettings, exchange: MxRules, passwords: Passwords, clock: Clock
) -> tuple[ReceivingRules, Authenticator]:
    """Rules and logins of the capture port; without settings it accepts any letter and any login."""
    named = logins(settings.smtp_logins, passwords, clock, ISubmitter)
    if named is None and not settings.allowed_recipients:
        return exchange, Anybody()
    pattern = re.compile(settings.allowed_recipients) if settings.allowed_recipients else None
    return Capture(exchange, login=named is not None, recipients=pattern), named or Anybody()


def logins(
    secrets: Mapping[str, str], passwords: Passwords, clock: Clock, interface: type[Interface]
) -> Authenticator | None:
    """Authenticator of these logins alone; None without logins."""
    if not secrets:
        return None
    portal = Portal(Realm(), [FileChecker(secrets, passwords)])
    return CredAuthenticator(portal, clock, Throttle(clock), (), interface)


class Anybody:
    """A sasl.Authenticator for the capture port: every name and password is right."""

    kinds: frozenset[type[Proof]] = frozenset({Credentials})

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:  # noqa: ARG002
        return AccountLogin(proof.username[:320] or "anonymous")

    async def scram_keys(self, username: str) -> ScramKeys:
        """SCRAM's server must know the password, and here is none: it is not offered."""
        raise Unavailable(f"nothing is known of {username[:320]!r}")


AUTH_FIRST = reply(530, "5.7.0", "Authentication required")
NOT_ALLOWED = reply(550, "5.1.1", "no letter for that recipient is taken here")


class Capture:
    """Station (smtp.session.Station) over that of the exchange."""

    def __init__(self, exchange: MxRules, *, login: bool, recipients: re.Pattern[str] | None) -> None:
        """`login`: senders log in first. `recipients`: pattern of accepted addresses; None: all."""
        self._exchange = exchange
        self._login = login
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
        """Refuses with 530 before a login, if one is required (RFC 4954 §6)."""
        if self._login and client.account is None:
            raise Refusal(AUTH_FIRST)
        await self._exchange.check_sender(client, mail)

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Refuses addresses in which the pattern is not found."""
        if self._recipients is not None and self._recipients.search(str(rcpt.address)) is None:
            raise Refusal(NOT_ALLOWED, "the pattern of recipients does not fit")
        await self._exchange.check_recipient(client, rcpt)

    def priorities(self, client: Client) -> Priorities:
        """As the exchange has them."""
        return self._exchange.priorities(client)

    def header_hooks(self, client: Client) -> Sequence[HeaderHook]:
        """The MT-Priority field counts for a client that is trusted."""
        return self._exchange.header_hooks(client)

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """As the exchange does."""
        return await self._exchange.edit_header(section, letter, envelope, arrival)

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        """As the exchange does."""
        return await self._exchange.complete(letter, arrived)

    async def accept(self, letter: Letter, facts: Facts) -> None:
        """As the exchange does."""
        await self._exchange.accept(letter, facts)


AT_ONCE = 1000
"""Letters that are listed by one question to the store."""


class SharedReaders:
    """A sasl.Authenticator: `named` decides about its own, whose mailbox is then the archive, and `others` about all others."""

    def __init__(self, names: Sequence[str], named: Authenticator, others: Authenticator) -> None:
        self._names = frozenset(names)
        self._named = named
        self._others = others

    @property
    def kinds(self) -> frozenset[type[Proof]]:
        """Those of all others; `named` knows passwords alone."""
        return self._others.kinds

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        if isinstance(proof, Credentials) and proof.username in self._names:
            await self._named.login(proof, remote)
            return AccountLogin(ARCHIVE)
        return await self._others.login(proof, remote)

    async def scram_keys(self, username: str) -> ScramKeys:
        """Those that are named have none."""
        return await self._others.scram_keys(username)


class SharedInbox:
    """The store as sessions of POP3 see it: the archive is what the index shows of it, and nobody holds it for himself."""

    def __init__(self, store: Store, index: LetterIndex) -> None:
        self._store = store
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def open_maildrop(self, mailbox: str, owner: str) -> Maildrop:
        if mailbox != ARCHIVE:
            return await self._store.open_maildrop(mailbox, owner)
        await self._index.up_to_date()
        entries: list[Entry] = []
        last = 0
        while some := await self._store.entries(ARCHIVE, last, AT_ONCE):
            last = some[-1].uid
            shown = await self._index.listed(ItemFilter(numbers=tuple(entry.uid for entry in some)), AT_ONCE)
            numbers = {item.number for item in shown.items}
            entries += [entry for entry in some if entry.uid in numbers]
        return Maildrop(ARCHIVE, 1, entries)

    async def release_maildrop(self, mailbox: str, owner: str) -> None:
        if mailbox != ARCHIVE:
            await self._store.release_maildrop(mailbox, owner)

    async def update_maildrop(
        self, mailbox: str, *, collected: Sequence[int], deleted: Sequence[int], steps: Sequence[Step]
    ) -> list[Step]:
        """What is deleted here is deleted for the pages too, and can be brought back there for a while."""
        if mailbox != ARCHIVE:
            return await self._store.update_maildrop(mailbox, collected=collected, deleted=deleted, steps=steps)
        if deleted:
            await self._index.soft_delete(ItemFilter(numbers=tuple(deleted)))
        return await self._store.update_maildrop(ARCHIVE, collected=collected, deleted=(), steps=steps)
