"""Checkers of twisted.cred: stored passwords, password files, client certificates."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer

from mailstack.accounts.passwords import Passwords, digest
from mailstack.accounts.realm import CertificateCredentials, ICertificate
from mailstack.letter import Address, AddressError
from mailstack.letter.envelope import ClientCertificate
from mailstack.protocols.sasl import Unavailable
from mailstack.store import StoreError
from mailstack.store.accounts import Account, AppPassword

_log = logging.getLogger(__name__)


class PasswordStore(Protocol):
    """Methods of `mailstack.store.accounts.AccountStore` in use here."""

    async def get(self, address: str) -> Account | None: ...

    async def app_passwords(self, address: str) -> list[AppPassword]: ...

    async def set_scram(self, address: str, password_hash: bytes, scram: str) -> None: ...


@implementer(ICredentialsChecker)
class StoreChecker:
    """Passwords and app passwords. A user name is an account's whole address, in UTF-8; the avatar id is its `Address.key`, in UTF-8."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def __init__(self, store: PasswordStore, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """Fails with UnauthorizedLogin, the same and as late for an unknown user as for a wrong password (AUTH-08).

        Other failures: sasl.Unavailable, StoreError.
        """
        return Deferred.fromCoroutine(self._check(credentials.username, credentials.password))

    async def _check(self, username: bytes, password: bytes) -> bytes | tuple[()]:
        key = account_key(username)
        account = None if key is None else await self._store.get(key)
        try:
            words = password.decode()
        except UnicodeDecodeError:
            raise UnauthorizedLogin from None
        if account is not None and (name := await self._app_password(account, words)) is not None:
            _log.info("%s logged in with app password %r", account.address, name)
        elif account is None:
            await self._passwords.verify(key or "", words, None)
            raise UnauthorizedLogin
        elif not await self._passwords.verify(account.address, words, account.password_hash):
            raise UnauthorizedLogin
        elif not account.scram:
            await self._store_scram(account, words)
        return account.address.encode()

    async def _app_password(self, account: Account, password: str) -> str | None:
        """Name of the matching app password; None for no match."""
        key = digest(account.address, password)
        if key is None:
            return None
        for stored in await self._store.app_passwords(account.address):
            if hmac.compare_digest(stored.digest, key):
                return stored.name
        return None

    async def _store_scram(self, account: Account, password: str) -> None:
        """Store SCRAM keys of an account without them, now that its password is known. Errors are logged only."""
        try:
            keys = await self._passwords.scram_of(password)
            if keys:
                await self._store.set_scram(account.address, account.password_hash, keys)
        except (StoreError, Unavailable) as error:
            _log.warning("the SCRAM keys of %s can't be stored: %s", account.address, error)


def account_key(username: bytes) -> str | None:
    """Return the `Address.key` of a user name; None if it is not an address."""
    try:
        return Address.parse(username.decode()).key
    except (UnicodeDecodeError, AddressError):
        return None


@implementer(ICredentialsChecker)
class CheckerChain:
    """Accepts a login that any of its checkers accepts, in their order."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def __init__(self, checkers: Sequence[ICredentialsChecker]) -> None:
        self._checkers = tuple(checkers)

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """Fails with UnauthorizedLogin when all checkers do; another failure ends the chain at once."""
        return Deferred.fromCoroutine(self._ask(credentials))

    async def _ask(self, credentials: IUsernamePassword) -> bytes | tuple[()]:
        for checker in self._checkers:
            try:
                return await maybeDeferred(checker.requestAvatarId, credentials)
            except UnauthorizedLogin:
                continue
        raise UnauthorizedLogin


@implementer(ICredentialsChecker)
class AllowAnyChecker:
    """Accepts any address, with itself or anything as the password."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def __init__(self, excluded: Collection[str] = (), *, any_password: bool = False) -> None:
        """`excluded` are domains with real accounts."""
        self._excluded = frozenset(domain.lower() for domain in excluded)
        self._any_password = any_password

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """The `Address.key` in UTF-8, or UnauthorizedLogin."""
        return Deferred.fromCoroutine(self._check(credentials.username, credentials.password))

    async def _check(self, username: bytes, password: bytes) -> bytes | tuple[()]:
        key = account_key(username)
        if key is None or key.rpartition("@")[2] in self._excluded:
            raise UnauthorizedLogin
        if not self._any_password and not hmac.compare_digest((account_key(password) or "").encode(), key.encode()):
            raise UnauthorizedLogin
        return key.encode()


MAX_ENTRIES = 10_000
"""Maximum names in a file."""
MAX_SECRET = 320
"""Maximum characters of a name, and of a password."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_OTHER_HASH = re.compile(r"\$(apr1|[0-9a-z]{1,10})\$|\{[A-Za-z0-9-]{1,20}\}")
_MAX_BCRYPT_COST = 14
"""Maximum rounds of bcrypt; each further one doubles the time of some seconds."""


def parse_passwords(text: str) -> dict[str, str]:
    """Secrets by name, from lines such as "ann:$2y$…" and "bob:plain".

    Raises ValueError, without secrets in its message.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()  # noqa: PLW2901
        if not line or line.startswith("#"):
            continue
        name, colon, secret = line.partition(":")
        if not colon or not name or not secret or len(name) > MAX_SECRET or len(secret) > MAX_SECRET:
            raise ValueError(f"line {number} is no NAME:PASSWORD")
        bcrypt = _BCRYPT.fullmatch(secret)
        if bcrypt is None and _OTHER_HASH.match(secret):
            raise ValueError(f"the password in line {number} is hashed in a way that is not known; use htpasswd -B")
        if bcrypt is not None and not 4 <= int(bcrypt[1]) <= _MAX_BCRYPT_COST:
            raise ValueError(f"the hash in line {number} has {bcrypt[1]} rounds; use 4 to {_MAX_BCRYPT_COST}")
        found[name] = secret
        if len(found) > MAX_ENTRIES:
            raise ValueError(f"there are more than {MAX_ENTRIES} names")
    if not found:
        raise ValueError("there is no NAME:PASSWORD in it")
    return found


@implementer(ICredentialsChecker)
class FileChecker:
    """Accepts the names in a password file. The avatar id is the name as written there, in UTF-8."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def __init__(self, secrets: Mapping[str, str], passwords: Passwords) -> None:
        self._secrets = dict(secrets)
        self._passwords = passwords

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """Fails with UnauthorizedLogin, sasl.Unavailable."""
        return Deferred.fromCoroutine(self._check(credentials.username, credentials.password))

    async def _check(self, username: bytes, password: bytes) -> bytes | tuple[()]:
        try:
            name, words = username.decode(), password.decode()
        except UnicodeDecodeError:
            raise UnauthorizedLogin from None
        secret = self._secrets.get(name)
        if secret is not None and _BCRYPT.fullmatch(secret) is None:
            right = hmac.compare_digest(secret.encode(), password)
        else:
            right = await self._passwords.verify(name, words, None if secret is None else secret.encode())
        if not right:
            raise UnauthorizedLogin
        return username


@implementer(ICredentialsChecker)
class CertificateChecker:
    """Finds the account of a verified certificate, by its fingerprint or else by its mail addresses."""

    credentialInterfaces = (ICertificate,)  # noqa: N815

    def __init__(self, store: PasswordStore, fingerprints: Mapping[str, str], domains: Sequence[str]) -> None:
        """`fingerprints`: SHA-256 in lower case hexadecimal to `Address.key`. Mail addresses count in `domains` only."""
        self._store = store
        self._fingerprints = dict(fingerprints)
        self._domains = frozenset(domain.lower() for domain in domains)

    def requestAvatarId(self, credentials: CertificateCredentials) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """The `Address.key` in UTF-8, or UnauthorizedLogin; StoreError."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: CertificateCredentials) -> bytes | tuple[()]:
        named = self._named(credentials.certificate)
        wanted = account_key(credentials.username) if credentials.username else None
        if credentials.username and wanted not in named:
            raise UnauthorizedLogin("the certificate is not for the account that is asked for")
        # With several addresses in the certificate, the client has to name one.
        candidates = [wanted] if wanted is not None else named
        existing = [key for key in candidates if key is not None and await self._store.get(key) is not None]
        if len(existing) != 1:
            raise UnauthorizedLogin("the certificate names no account, or more than one")
        return existing[0].encode()

    def _named(self, certificate: ClientCertificate) -> list[str]:
        listed = self._fingerprints.get(certificate.sha256)
        if listed is not None:
            return [listed]
        keys = [account_key(address.encode(errors="replace")) for address in certificate.mailboxes]
        return [key for key in dict.fromkeys(keys) if key is not None and key.rpartition("@")[2] in self._domains]
