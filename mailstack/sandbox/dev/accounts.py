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
from mailstack.accounts.checker import AllowAnyChecker, CheckerChain, StoreChecker
from mailstack.accounts.dev_logins import DEV_RULES, Issuer, LoginNameAuthenticator, LoginNames, SharedSecretChecker
from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram_checker import ScramChecker, server_secret
from mailstack.accounts.throttle import Throttle
from mailstack.accounts.tokens import SignedTokens, TokenChecker
from mailstack.letter import Address, AddressError
from mailstack.net.clock import ReactorClock
from mailstack.protocols.sasl import Authenticator
from mailstack.protocols.sasl.scram_keys import MIN_ITERATIONS
from mailstack.protocols.smtp.replies import Refusal
from mailstack.sandbox.dev.capture_access import SharedReaders, logins
from mailstack.sandbox.dev.settings import HOME_DOMAIN, USERS, DevSettings
from mailstack.store import Store
from mailstack.store.accounts import Account

if TYPE_CHECKING:
    from mailstack.web.site import RequestAuthenticator


ROUNDS = 4
"""Minimum cost of bcrypt: these passwords are printed on the screen."""
COMMANDS = "mailstack-commands"
"""Login name of the commands, where the pages accept only the logins of a file."""


class DevAccounts:
    """Accounts in the store of one environment."""

    def __init__(self, reactor: Any, settings: DevSettings, store: Store, clock: ReactorClock, data: Path) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._data = data
        self.passwords = Passwords(reactor, clock, rounds=ROUNDS, scram_iterations=MIN_ITERATIONS)
        self.directory = StoreDirectory(store.accounts, [HOME_DOMAIN], clock, ttl=0.2)
        self.names = LoginNames({name: Address.parse(each).key for name, each in settings.login_names.items()})
        """Login names besides addresses."""
        self.login = (COMMANDS, secrets.token_urlsafe()) if settings.web_logins else settings.accounts[0]
        """Name and password with which the commands of this machine use the whole API."""

    async def open(self) -> None:
        """Adds the missing accounts of the settings."""
        now = self._clock.now()
        missing = []
        for address, password in self._settings.accounts:
            if await self._store.accounts.get(address) is None:
                stored = await self.passwords.hash(password)
                missing.append(Account(address, stored.password_hash, now, scram=stored.scram))
        await self._store.accounts.add(missing)

    async def reset(self) -> None:
        """Restores the accounts and passwords of the settings, and removes all other accounts."""
        for account in await self._store.accounts.all():
            await self._store.accounts.remove(account.address)
        self.names.reset()
        await self.open()
        self.directory.invalidate()

    async def add(self, address: str, password: str) -> None:
        """Adds an account. Raises AddressError, Conflict, and ValueError for an invalid password."""
        stored = await self.passwords.hash(password)
        account = Account(Address.parse(address).key, stored.password_hash, self._clock.now(), scram=stored.scram)
        await self._store.accounts.add([account])
        self.directory.invalidate()

    async def add_alias(self, address: str, targets: Sequence[str]) -> None:
        """Sets the targets of an alias. Raises AddressError, Conflict."""
        targets = [str(Address.parse(target)) for target in targets]
        await self._store.accounts.set_alias(Address.parse(address).key, targets)
        self.directory.invalidate()

    async def remove(self, key: str) -> None:
        """Removes an account, but not its mailbox. Raises KeyError."""
        await self._store.accounts.remove(key)
        self.names.remove(key)
        self.directory.invalidate()

    def authenticators(self) -> tuple[Authenticator, Authenticator]:
        """Authenticators for submission and for reading, for one server."""
        any_password = self._settings.any_password
        checkers: list[Any] = [
            CheckerChain(
                [StoreChecker(self._store.accounts, self.passwords), AllowAnyChecker(any_password=any_password)]
            )
        ]
        scram: ScramChecker | None = None
        # SCRAM needs a known password.
        if self._settings.scram and not any_password:
            scram = ScramChecker(self._store.accounts, server_secret(self._data), MIN_ITERATIONS, _address_itself)
            checkers.append(scram)
        issuer = Issuer(self._data / "issuer")
        checkers.append(
            TokenChecker(self._store.accounts, SignedTokens(issuer.keys, self._clock), DEV_RULES, self._clock)
        )
        if self._settings.weak_mechanisms:
            checkers.append(SharedSecretChecker(_public_password, self._store.accounts, self.passwords))
        portal, throttle = Portal(Realm(), checkers), Throttle(self._clock)
        readers: Authenticator = CredAuthenticator(
            portal, self._clock, throttle, [HOME_DOMAIN], IReader, key_source=scram, accounts=self._store.accounts
        )
        shared = self._settings.pop3_logins
        if (named := logins(shared, self.passwords, self._clock, IReader)) is not None:
            readers = SharedReaders(tuple(shared), named, readers)
        submitters = CredAuthenticator(
            portal, self._clock, throttle, [HOME_DOMAIN], ISubmitter, key_source=scram, accounts=self._store.accounts
        )
        return LoginNameAuthenticator(self.names, submitters), LoginNameAuthenticator(self.names, readers)

    def senders(self) -> RequestAuthenticator | None:
        """Authenticator of Mailpit's send API. None: the pages' authenticator."""
        from mailstack.web.login import Login  # noqa: PLC0415 - needed with the pages only
        from mailstack.web.site import AllowAll  # noqa: PLC0415

        settings = self._settings
        if settings.open_send:
            return AllowAll()
        named = logins(settings.send_logins, self.passwords, self._clock, IReader)
        return (
            None if named is None else Login(named, self._store.accounts, self._clock, admins=None, require_tls=False)
        )

    def web_authenticator(self) -> Authenticator | None:
        """Authenticator of the pages. None: the accounts, or no login."""
        named = self._settings.web_logins
        return logins({**named, self.login[0]: self.login[1]}, self.passwords, self._clock, IReader) if named else None


def _address_itself(key: str) -> str:
    """Initial password of a mailbox outside home: its address."""
    return key


def _public_password(key: str) -> str:
    """Initial password of an account."""
    local, _, domain = key.rpartition("@")
    return local if domain == HOME_DOMAIN and local in USERS else key


INBOX = "inbox"
MAX_LETTERS = 10_000
"""Maximum preloaded letters."""
MAX_LETTER = 50 * 1024 * 1024
"""Maximum octets of a preloaded letter."""


class PreloadFiles(Struct, frozen=True):
    """Letters of a preload directory."""

    letters: tuple[tuple[str, Path], ...]
    """Pairs of mailbox and file, sorted by name."""
    skipped: tuple[Path, ...] = ()
    """Folders other than INBOX, which are not loaded."""


def preloads_in(directory: Path) -> PreloadFiles:
    """Letters in `directory/ADDRESS/INBOX/*.eml`. Raises OSError, and ValueError for a bad address or too many letters."""
    letters: list[tuple[str, Path]] = []
    skipped: list[Path] = []
    for mailbox in sorted(each for each in directory.iterdir() if each.is_dir()):
        try:
            address = str(Address.parse(mailbox.name))
        except AddressError as error:
            raise ValueError(f"{mailbox}: the directory name is not an address: {error}") from None
        for folder in sorted(each for each in mailbox.iterdir() if each.is_dir()):
            if folder.name.lower() != INBOX:
                skipped.append(folder)
                continue
            letters += [(address, file) for file in sorted(folder.glob("*.eml"))]
            if len(letters) > MAX_LETTERS:
                raise ValueError(f"{directory}: more than {MAX_LETTERS} messages")
    return PreloadFiles(tuple(letters), tuple(skipped))


async def preload(
    directory: Path,
    submit: Callable[[str, list[str], bytes], Awaitable[object]],
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
) -> None:
    """Submits the letters of a directory. Raises OSError, and ValueError for a letter that is refused."""
    found: PreloadFiles = await in_thread(lambda: preloads_in(directory))
    for mailbox, file in found.letters:
        octets: bytes = await in_thread(partial(_read, file))
        try:
            await submit("", [mailbox], octets)
        except Refusal as refusal:
            raise ValueError(f"{file}: refused: {refusal.reply}") from None


def _read(file: Path) -> bytes:
    """Octets of a file with CRLF line ends. Raises OSError, and ValueError for a file that is too large."""
    if (size := file.stat().st_size) > MAX_LETTER:
        raise ValueError(f"{file}: {size} octets; the limit is {MAX_LETTER}")
    return b"".join(line + b"\r\n" for line in file.read_bytes().splitlines())
