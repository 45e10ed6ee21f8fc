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
from mailstack.letter.delivery import Step
from mailstack.letter.envelope import HostPort
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import AccountLogin, Authenticator, Credentials, Proof, ScramKeys, Unavailable
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import (
    Client,
    Facts,
    HeaderHook,
    Priorities,
    ReceivedOctets,
    ReceivingRules,
)
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules
from mailstack.sandbox.dev.settings import DevSettings
from mailstack.store import Entry, MailboxStore, Maildrop
from mailstack.store.archive import ARCHIVE


def capture_rules(
    settings: DevSettings, mx: MxRules, passwords: Passwords, clock: Clock
) -> tuple[ReceivingRules, Authenticator]:
    """Rules and logins of the capture port; without settings it accepts any letter and any login."""
    named = logins(settings.smtp_logins, passwords, clock, ISubmitter)
    if named is None and not settings.allowed_recipients:
        return mx, AnyLogin()
    pattern = re.compile(settings.allowed_recipients) if settings.allowed_recipients else None
    return CaptureRules(mx, login=named is not None, recipients=pattern), named or AnyLogin()


def logins(
    secrets: Mapping[str, str], passwords: Passwords, clock: Clock, interface: type[Interface]
) -> Authenticator | None:
    """Authenticator of these logins alone; None without logins."""
    if not secrets:
        return None
    portal = Portal(Realm(), [FileChecker(secrets, passwords)])
    return CredAuthenticator(portal, clock, Throttle(clock), (), interface)


class AnyLogin:
    """sasl.Authenticator that accepts each name and password."""

    kinds: frozenset[type[Proof]] = frozenset({Credentials})

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:  # noqa: ARG002
        return AccountLogin(proof.username[:320] or "anonymous")

    async def scram_keys(self, username: str) -> ScramKeys:
        """Raises Unavailable: SCRAM needs a known password."""
        raise Unavailable(f"no password is stored for {username[:320]!r}")


AUTH_FIRST = reply(530, "5.7.0", "Authentication required")
NOT_ALLOWED = reply(550, "5.1.1", "Recipient address rejected: it does not match the allowed recipients")


class CaptureRules:
    """ReceivingRules of the capture port: logins and recipients first, then the MX rules."""

    def __init__(self, mx: MxRules, *, login: bool, recipients: re.Pattern[str] | None) -> None:
        """`login`: senders log in first. `recipients`: pattern of accepted addresses; None: all."""
        self._mx = mx
        self._login = login
        self._recipients = recipients

    @property
    def hostname(self) -> str:
        return self._mx.hostname

    @property
    def intake(self) -> Intake:
        return self._mx.intake

    async def check_client(self, client: Client) -> None:
        await self._mx.check_client(client)

    def name_of(self, client: Client) -> str:
        return self._mx.name_of(client)

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Refuses with 530 before a login, if one is required (RFC 4954 §6)."""
        if self._login and client.account is None:
            raise Refusal(AUTH_FIRST)
        await self._mx.check_sender(client, mail)

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Refuses addresses in which the pattern is not found."""
        if self._recipients is not None and self._recipients.search(str(rcpt.address)) is None:
            raise Refusal(NOT_ALLOWED, "does not match allowed_recipients")
        await self._mx.check_recipient(client, rcpt)

    def priorities(self, client: Client) -> Priorities:
        return self._mx.priorities(client)

    def header_hooks(self, client: Client) -> Sequence[HeaderHook]:
        return self._mx.header_hooks(client)

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        return await self._mx.edit_header(section, letter, envelope, arrival)

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        return await self._mx.complete(letter, arrived)

    async def accept(self, letter: Letter, facts: Facts) -> None:
        await self._mx.accept(letter, facts)


BATCH = 1000
"""Maximum letters of one query to the store."""


class SharedReaders:
    """sasl.Authenticator that opens the archive for the logins of POP3, and checks all other logins with `accounts`."""

    def __init__(self, names: Sequence[str], shared: Authenticator, accounts: Authenticator) -> None:
        self._names = frozenset(names)
        self._shared = shared
        self._accounts = accounts

    @property
    def kinds(self) -> frozenset[type[Proof]]:
        """Proofs of `accounts`; the shared logins accept passwords only."""
        return self._accounts.kinds

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        if isinstance(proof, Credentials) and proof.username in self._names:
            await self._shared.login(proof, remote)
            return AccountLogin(ARCHIVE)
        return await self._accounts.login(proof, remote)

    async def scram_keys(self, username: str) -> ScramKeys:
        return await self._accounts.scram_keys(username)


class SharedInbox:
    """Mailboxes for POP3 sessions: the archive has the letters of the index, and several sessions can open it."""

    def __init__(self, mailboxes: MailboxStore, index: LetterIndex) -> None:
        self._mailboxes = mailboxes
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mailboxes, name)

    async def open(self, mailbox: str, owner: str) -> Maildrop:
        if mailbox != ARCHIVE:
            return await self._mailboxes.open(mailbox, owner)
        await self._index.up_to_date()
        entries: list[Entry] = []
        last = 0
        while batch := await self._mailboxes.entries(ARCHIVE, last, BATCH):
            last = batch[-1].uid
            items = await self._index.find(ItemFilter(numbers=tuple(entry.uid for entry in batch)), BATCH)
            numbers = {item.number for item in items.items}
            entries += [entry for entry in batch if entry.uid in numbers]
        return Maildrop(ARCHIVE, 1, entries)

    async def release(self, mailbox: str, owner: str) -> None:
        if mailbox != ARCHIVE:
            await self._mailboxes.release(mailbox, owner)

    async def update(
        self,
        mailbox: str,
        *,
        collected: Sequence[int],
        deleted: Sequence[int],
        steps: Sequence[Step],
        sets_seen: bool = True,
    ) -> list[Step]:
        """Deletes letters from the index as well, where the pages can restore them for some time."""
        if mailbox != ARCHIVE:
            return await self._mailboxes.update(
                mailbox, collected=collected, deleted=deleted, steps=steps, sets_seen=sets_seen
            )
        if deleted:
            await self._index.soft_delete(ItemFilter(numbers=tuple(deleted)))
        return await self._mailboxes.update(ARCHIVE, collected=collected, deleted=(), steps=steps, sets_seen=sets_seen)
