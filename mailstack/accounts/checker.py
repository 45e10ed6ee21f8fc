"""The accounts of the store as a credentials checker of twisted.cred."""

from __future__ import annotations

from typing import Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.passwords import Passwords
from mailstack.letter import Address, AddressError
from mailstack.store import Account


class Accounts(Protocol):
    """The part of a Store that is asked."""

    async def account(self, address: str) -> Account | None: ...


@implementer(ICredentialsChecker)
class StoreChecker:
    """A user name is an account's whole address, in UTF-8; the avatar id is its `Address.key`, in UTF-8."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def __init__(self, store: Accounts, passwords: Passwords) -> None:
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
        stored = None if account is None else account.password_hash
        try:
            right = await self._passwords.verify(key or "", password.decode(), stored)
        except UnicodeDecodeError:
            right = False
        if not right or key is None:
            raise UnauthorizedLogin
        return key.encode()


def account_key(username: bytes) -> str | None:
    """The key of the address that somebody logs in with; None when it is no address."""
    try:
        return Address.parse(username.decode()).key
    except (UnicodeDecodeError, AddressError):
        return None
