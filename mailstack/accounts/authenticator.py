"""Logins as the protocols ask for them, decided by a Portal of twisted.cred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from zope.interface import Interface

from mailstack.accounts.realm import ISubmitter
from mailstack.accounts.throttle import Throttle
from mailstack.sasl import Credentials, Denied, Unavailable
from mailstack.store import StoreError
from mailstack.wire import Clock, HostPort

LONGEST_NAME = 320
"""Octets of an address (RFC 3696, erratum 1690: fewer); what is longer is no account, and is counted by its beginning."""


class CredAuthenticator:
    """A sasl.Authenticator; several, one for each interface, may share a portal and a throttle."""

    def __init__(
        self,
        portal: Portal,
        clock: Clock,
        throttle: Throttle,
        domains: Sequence[str] = (),
        interface: type[Interface] = ISubmitter,
    ) -> None:
        """`domains`: a user name without @ is completed by the first. `interface` is what the login is for."""
        self._portal = portal
        self._clock = clock
        self._throttle = throttle
        self._domain = domains[0] if domains else ""
        self._interface = interface

    async def login(self, credentials: Credentials, remote: HostPort) -> str:
        """The account's address (`Address.key`), after the delay that earlier failures cost.

        Raises Denied, also when an identity other than the account's own is asked for (RFC 4616 §2); Unavailable.
        """
        username = credentials.username
        if "@" not in username and self._domain:
            username = f"{username}@{self._domain}"
        name = username.lower()[:LONGEST_NAME]
        await self._wait(self._throttle.delay(remote.host, name))
        try:
            account = await self._account(username, credentials)
        except Denied:
            self._throttle.failed(remote.host, name)
            raise
        self._throttle.succeeded(remote.host, name)
        return account

    async def _account(self, username: str, credentials: Credentials) -> str:
        """What the portal says. Raises Denied, Unavailable."""
        try:
            proof = UsernamePassword(username.encode(), credentials.password.encode())
            _, avatar, logout = await self._portal.login(proof, None, self._interface)
        except (UnauthorizedLogin, UnicodeEncodeError):
            raise Denied from None
        except StoreError as error:
            raise Unavailable(str(error)) from error
        # The connection remembers the account by its name, so that the avatar has nothing more to do.
        logout()
        account: str = cast("Any", avatar).address
        if not credentials.acts_for(account):
            raise Denied
        return account

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            over: Deferred[None] = Deferred()
            self._clock.call_later(seconds, lambda: over.callback(None))
            await over
