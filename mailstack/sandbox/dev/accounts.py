"""Accounts of a dev environment, and letters preloaded into their mailboxes."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from twisted.cred.portal import Portal

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import AllowAnyChecker, FirstOf, StoreChecker
from mailstack.accounts.dev_logins import DEV_RULES, ByName, Issuer, LoginNames, SharedSecretChecker
from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram_checker import ScramChecker, server_secret
from mailstack.accounts.signed_tokens import SignedTokens
from mailstack.accounts.throttle import Throttle
from mailstack.accounts.tokens import TokenChecker
from mailstack.letter import Address, AddressError
from mailstack.net.clock import ReactorClock
from mailstack.protocols.sasl import Authenticator
from mailstack.protocols.sasl.scram_keys import FEWEST
from mailstack.protocols.smtp.replies import Refusal
from mailstack.sandbox.dev.capture_access import SharedReaders, logins
from mailstack.sandbox.dev.settings import HOME_DOMAIN, USERS, DevSettings
from mailstack.store import Account, Store

if TYPE_CHECKING:
    from mailstack.web.site import RequestAuthenticator


ROUNDS = 4
"""bcrypt's least cost: these passwords are printed on the screen."""
COMMANDS = "mailstack-commands"
"""The name by which commands log in to pages that are for those of a file."""


class DevAccounts:
    """Accounts in the store of one environment."""

    def __init__(self, reactor: Any, settings: DevSettings, store: Store, clock: ReactorClock, data: Path) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._data = data
        self.passwords = Passwords(reactor, clock, rounds=ROUNDS, scram_iterations=FEWEST)
        self.directory = StoreDirectory(store, [HOME_DOMAIN], clock, ttl=0.2)
        self.names = LoginNames({name: Address.parse(each).key for name, each in settings.login_names.items()})
        """Login names besides addresses."""
        self.login = (COMMANDS, secrets.token_urlsafe()) if settings.web_logins else settings.accounts[0]
        """Name and password by which commands of this machine may do all on the pages."""

    async def open(self) -> None:
        """Those of the start, where they are not there yet."""
        now = self._clock.now()
        missing = []
        for address, password in self._settings.accounts:
            if await self._store.account(address) is None:
                kept = await self.passwords.keep(password)
                missing.append(Account(address, kept.password_hash, now, scram=kept.scram))
        await self._store.add_accounts(missing)

    async def reset(self) -> None:
        """Those of the start, with their passwords of then, and no others."""
        for account in await self._store.accounts():
            await self._store.remove_account(account.address)
        self.names.reset()
        await self.open()
        self.directory.forget()

    async def add(self, address: str, password: str) -> None:
        """Adds an account. Raises AddressError, Conflict, and ValueError for an invalid password."""
        kept = await self.passwords.keep(password)
        account = Account(Address.parse(address).key, kept.password_hash, self._clock.now(), scram=kept.scram)
        await self._store.add_accounts([account])
        self.directory.forget()

    async def add_alias(self, address: str, targets: Sequence[str]) -> None:
        """Have letters for an address at home go to others, in place of those of before. Raises AddressError, Conflict."""
        targets = [str(Address.parse(target)) for target in targets]
        await self._store.set_alias(Address.parse(address).key, targets)
        self.directory.forget()

    async def remove(self, key: str) -> None:
        """Removes an account, but not its mailbox. Raises KeyError."""
        await self._store.remove_account(key)
        self.names.take(key)
        self.directory.forget()

    def authenticators(self) -> tuple[Authenticator, Authenticator]:
        """Authenticators for submission and for reading, for one server."""
        any_password = self._settings.any_password
        checkers: list[Any] = [
            FirstOf([StoreChecker(self._store, self.passwords), AllowAnyChecker(any_password=any_password)])
        ]
        scram: ScramChecker | None = None
        # SCRAM's server must know the password, and "anything" is none.
        if self._settings.scram and not any_password:
            scram = ScramChecker(self._store, server_secret(self._data), FEWEST, _address_itself)
            checkers.append(scram)
        issuer = Issuer(self._data / "issuer")
        checkers.append(TokenChecker(self._store, SignedTokens(issuer.keys, self._clock), DEV_RULES, self._clock))
        if self._settings.weak_mechanisms:
            checkers.append(SharedSecretChecker(_public_password, self._store, self.passwords))
        portal, throttle = Portal(Realm(), checkers), Throttle(self._clock)
        readers: Authenticator = CredAuthenticator(
            portal, self._clock, throttle, [HOME_DOMAIN], IReader, keeper=scram, accounts=self._store
        )
        shared = self._settings.pop3_logins
        if (named := logins(shared, self.passwords, self._clock, IReader)) is not None:
            readers = SharedReaders(tuple(shared), named, readers)
        submitters = CredAuthenticator(
            portal, self._clock, throttle, [HOME_DOMAIN], ISubmitter, keeper=scram, accounts=self._store
        )
        return ByName(self.names, submitters), ByName(self.names, readers)

    def senders(self) -> RequestAuthenticator | None:
        """Authenticator of Mailpit's send API; None: that of the pages."""
        from mailstack.web.login import Login  # noqa: PLC0415 - needed with the pages only
        from mailstack.web.site import AllowAll  # noqa: PLC0415

        settings = self._settings
        if settings.anybody_sends:
            return AllowAll()
        named = logins(settings.send_logins, self.passwords, self._clock, IReader)
        return None if named is None else Login(named, self._store, self._clock, admins=None, require_tls=False)

    def visitors(self) -> Authenticator | None:
        """Authenticator of the pages; None: accounts, or no login."""
        named = self._settings.web_logins
        return logins({**named, self.login[0]: self.login[1]}, self.passwords, self._clock, IReader) if named else None


def _address_itself(key: str) -> str:
    """The password of a mailbox in the rest of the world."""
    return key


def _public_password(key: str) -> str:
    """The password of every account here, unless its user has changed it."""
    local, _, domain = key.rpartition("@")
    return local if domain == HOME_DOMAIN and local in USERS else key


INBOX = "inbox"
MOST = 10_000
"""Letters."""
LARGEST = 50 * 1024 * 1024
"""Octets of one."""


class Preloads(Struct, frozen=True):
    """What a directory holds."""

    letters: tuple[tuple[str, Path], ...]
    """Each mailbox and file, in their order by name."""
    left: tuple[Path, ...] = ()
    """Folders of mailboxes that are no INBOX."""


def preloads_in(directory: Path) -> Preloads:
    """Raises ValueError, with a reason for people, and OSError."""
    letters: list[tuple[str, Path]] = []
    left: list[Path] = []
    for mailbox in sorted(each for each in directory.iterdir() if each.is_dir()):
        try:
            address = str(Address.parse(mailbox.name))
        except AddressError as error:
            raise ValueError(f"{mailbox} is named like no mailbox: {error}") from None
        for folder in sorted(each for each in mailbox.iterdir() if each.is_dir()):
            if folder.name.lower() != INBOX:
                left.append(folder)
                continue
            letters += [(address, file) for file in sorted(folder.glob("*.eml"))]
            if len(letters) > MOST:
                raise ValueError(f"{directory} holds more than {MOST} letters")
    return Preloads(tuple(letters), tuple(left))


async def preload(
    directory: Path,
    hand_in: Callable[[str, list[str], bytes], Awaitable[object]],
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
) -> None:
    """Hand each letter in, for its mailbox alone. Raises ValueError for one that can't be taken, and OSError."""
    found: Preloads = await in_thread(lambda: preloads_in(directory))
    for mailbox, file in found.letters:
        octets: bytes = await in_thread(partial(_read, file))
        try:
            await hand_in("", [mailbox], octets)
        except Refusal as refusal:
            raise ValueError(f"{file} can't be taken: {refusal.reply}") from None


def _read(file: Path) -> bytes:
    """With the ends of lines that mail has; files have those of their system."""
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file} has {size} octets, and {LARGEST} are the most that is taken")
    return b"".join(line + b"\r\n" for line in file.read_bytes().splitlines())
