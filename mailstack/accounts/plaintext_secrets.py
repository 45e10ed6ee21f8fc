"""Shared secrets of dev accounts: CRAM-MD5 and APOP."""

from __future__ import annotations

from collections.abc import Callable

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.checker import PasswordStore, account_key
from mailstack.accounts.credentials import DigestCredentials, IDigest
from mailstack.accounts.passwords import Passwords


@implementer(ICredentialsChecker)
class SharedSecretChecker:
    """Knows passwords by address; where an account is stored, its password must still be that one."""

    credentialInterfaces = (IDigest,)  # noqa: N815

    def __init__(self, public: Callable[[str], str | None], store: PasswordStore, passwords: Passwords) -> None:
        self._public = public
        self._store = store
        self._passwords = passwords

    def requestAvatarId(self, credentials: DigestCredentials) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """The `Address.key` in UTF-8, or UnauthorizedLogin; sasl.Unavailable, StoreError."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: DigestCredentials) -> bytes | tuple[()]:
        key = account_key(credentials.username)
        password = None if key is None else self._public(key)
        if key is None or password is None or not credentials.proof.fits(password):
            raise UnauthorizedLogin
        account = await self._store.account(key)
        if account is not None and not await self._passwords.verify(key, password, account.password_hash):
            raise UnauthorizedLogin
        return key.encode()
