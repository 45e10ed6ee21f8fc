"""Chain of credentials checkers: a Portal takes one of each kind."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer


@implementer(ICredentialsChecker)
class FirstOf:
    """Accepts a login that any of its checkers accepts; the first one that does names the account."""

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
