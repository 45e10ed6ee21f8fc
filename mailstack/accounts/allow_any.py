"""Permissive checker: accepts any address, for simulated servers."""

from __future__ import annotations

import hmac
from collections.abc import Collection

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.checker import account_key


@implementer(ICredentialsChecker)
class AllowAnyChecker:
    """Any address logs in with itself as the password, or with anything."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def __init__(self, excluded: Collection[str] = (), *, any_password: bool = False) -> None:
        """`excluded` are domains with real accounts of their own."""
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
