"""Checker of twisted.cred for the passwords of accounts in the store."""

from __future__ import annotations

import hmac
import logging
from typing import Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.app_passwords import digest
from mailstack.accounts.passwords import Passwords
from mailstack.letter import Address, AddressError
from mailstack.protocols.sasl import Unavailable
from mailstack.store import Account, AppPassword, StoreError

_log = logging.getLogger(__name__)


class PasswordStore(Protocol):
    """The part of a Store that is asked."""

    async def account(self, address: str) -> Account | None: ...

    async def app_passwords(self, address: str) -> list[AppPassword]: ...

    async def keep_scram(self, address: str, password_hash: bytes, scram: str) -> None: ...


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
        account = None if key is None else await self._store.account(key)
        try:
            words = password.decode()
        except UnicodeDecodeError:
            raise UnauthorizedLogin from None
        if account is not None and (name := await self._app_password(account, words)) is not None:
            _log.info("%s logs in with the app password %r", account.address, name)
        elif account is None:
            await self._passwords.verify(key or "", words, None)
            raise UnauthorizedLogin
        elif not await self._passwords.verify(account.address, words, account.password_hash):
            raise UnauthorizedLogin
        elif not account.scram:
            await self._keep_scram(account, words)
        return account.address.encode()

    async def _app_password(self, account: Account, password: str) -> str | None:
        """The name of the app password that this is."""
        looked_for = digest(account.address, password)
        if looked_for is None:
            return None
        for known in await self._store.app_passwords(account.address):
            if hmac.compare_digest(known.digest, looked_for):
                return known.name
        return None

    async def _keep_scram(self, account: Account, password: str) -> None:
        """An account from before SCRAM: now its password is seen. No login fails for it."""
        try:
            keys = await self._passwords.scram_of(password)
            if keys:
                await self._store.keep_scram(account.address, account.password_hash, keys)
        except (StoreError, Unavailable) as error:
            _log.warning("the SCRAM keys of %s can't be kept: %s", account.address, error)


def account_key(username: bytes) -> str | None:
    """Return the key of the address in a user name; None when it is no address."""
    try:
        return Address.parse(username.decode()).key
    except (UnicodeDecodeError, AddressError):
        return None
