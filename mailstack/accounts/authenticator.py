"""Authenticator of the protocols: passes logins to a twisted.cred Portal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

from msgspec import Struct
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, DeferredSemaphore
from zope.interface import Interface

from mailstack.accounts.checker import account_key
from mailstack.accounts.directory import Directory
from mailstack.accounts.realm import KINDS, ISubmitter, cred
from mailstack.accounts.throttle import Throttle
from mailstack.letter.envelope import HostPort
from mailstack.policy.networks import client_network
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import AccountLogin, Authenticator, Denied, Proof, ScramKeys, ScramProof, Unavailable
from mailstack.store import StoreError
from mailstack.store.accounts import Account

MAX_NAME = 320
"""Maximum characters of a user name; failures of longer ones count for their beginning."""


MAX_CONCURRENT = 8
"""Maximum concurrent logins of one client, so that failures slow its next guesses, and it can't fill the queue alone."""
MAX_WAITING = 64
"""Maximum logins of one client that wait; further ones are deferred."""


MAX_REREADS = 20
"""Maximum number of failed logins per second for which an account is read past the store's cache."""


class TokenRefused(UnauthorizedLogin):
    """Rejected token; the client gets the reason (RFC 7628 §3.2.2), because only its issuer can help."""

    def __init__(self, reason: str, trouble: dict[str, str]) -> None:
        super().__init__(reason)
        self.trouble = trouble


class ScramKeySource(Protocol):
    """Source of SCRAM keys: `mailstack.accounts.scram_checker`."""

    async def keys(self, username: str) -> ScramKeys:
        """SCRAM keys of an account; constant invented ones for an unknown address. May raise StoreError."""


class AccountLookup(Protocol):
    """Methods of `mailstack.store.accounts.AccountStore` in use here."""

    async def get(self, address: str) -> Account | None: ...

    async def reread(self, address: str) -> Account | None: ...


class CredAuthenticator:
    """A sasl.Authenticator; several, one for each interface, may share a portal and a throttle."""

    def __init__(
        self,
        portal: Portal,
        clock: Clock,
        throttle: Throttle,
        domains: Sequence[str] = (),
        interface: type[Interface] = ISubmitter,
        *,
        key_source: ScramKeySource | None = None,
        accounts: AccountLookup | None = None,
    ) -> None:
        """The first of `domains` completes a user name without @. `interface` is that of the avatar.

        Without `key_source` SCRAM is not offered. Without `accounts` changed credentials don't end a login.
        """
        self._portal = portal
        self._clock = clock
        self._throttle = throttle
        self._domain = domains[0] if domains else ""
        self._interface = interface
        self._key_source = key_source
        self._accounts = accounts
        self._semaphores: dict[str, DeferredSemaphore] = {}
        self._rereads = 0
        self._rereads_since = 0.0
        decided = {KINDS[kind] for kind in portal.listCredentialsInterfaces() if kind in KINDS}
        self.kinds: frozenset[type[Proof]] = frozenset(decided - ({ScramProof} if key_source is None else set()))
        """Supported kinds of proof."""

    async def scram_keys(self, username: str) -> ScramKeys:
        """SCRAM keys of a user, invented ones for an unknown name. Raises Unavailable."""
        assert self._key_source is not None, "SCRAM is not offered without a key_source"
        try:
            return await self._key_source.keys(self._complete(username))
        except StoreError as error:
            raise Unavailable(str(error)) from error

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        """Log in, after the delay for earlier failures.

        Raises Denied, also for another authorization identity than the account's own (RFC 4616 §2); Unavailable.
        """
        username = self._complete(proof.username)
        # Failures of all spellings of an account are counted together. A token or certificate may name the account itself;
        # its failures then count for the client alone.
        spelled = account_key(username.encode(errors="replace")) or username.lower()
        name = spelled[:MAX_NAME] or f"@{remote.host}"
        async with self._acquire(remote.host):
            delay = self._throttle.delay(remote.host, name)
            if not delay:
                return await self._decide(username, proof, remote.host, name)
        await self._wait(delay)
        return await self._decide(username, proof, remote.host, name)

    @asynccontextmanager
    async def _acquire(self, host: str) -> AsyncIterator[None]:
        """Acquire a client's semaphore. Raises Unavailable."""
        client = client_network(host)
        semaphore = self._semaphores.setdefault(client, DeferredSemaphore(MAX_CONCURRENT))
        if len(semaphore.waiting) >= MAX_WAITING:
            raise Unavailable(f"{MAX_WAITING} logins from {client} wait already")
        await semaphore.acquire()
        try:
            yield
        finally:
            if semaphore.waiting:
                # In a later turn of the reactor, because nested resumptions of many logins would exhaust the stack.
                self._clock.call_later(0, lambda: self._release(client, semaphore))
            else:
                self._release(client, semaphore)

    def _release(self, client: str, semaphore: DeferredSemaphore) -> None:
        semaphore.release()
        if semaphore.tokens == semaphore.limit:
            del self._semaphores[client]

    async def _decide(self, username: str, proof: Proof, host: str, name: str) -> AccountLogin:
        """Result of the portal, counted. Raises as `login`."""
        # Read before the proof is checked, so that a change in the meantime ends the login.
        credentials = await self._credentials(name)
        try:
            try:
                account = await self._account(username, proof)
            except Denied:
                current = await self._reread_credentials(name)
                if current in {None, credentials}:
                    raise
                # The password was changed by another process, and the store's cache had the old one.
                credentials = current
                account = await self._reload_account(username, proof)
        except Denied as denied:
            self._throttle.failed(host, name)
            # The name is for the log only.
            raise Denied(": ".join([repr(username[:100]), *map(str, denied.args)]), trouble=denied.trouble) from None
        self._throttle.succeeded(host, name)
        return AccountLogin(account, credentials if account == name else await self._credentials(account))

    async def _reload_account(self, username: str, proof: Proof) -> str:
        """Check a proof again after the account was reread. Raises Denied, Unavailable."""
        try:
            return await self._account(username, proof)
        except Denied:
            if isinstance(proof, ScramProof):
                # The challenge had the salt of the old password, so that the new one can't match.
                raise Unavailable("the password has just been changed") from None
            raise

    async def _reread_credentials(self, account: str) -> str | None:
        """Read the state of an account's credentials past the cache; None beyond MAX_REREADS. Raises Unavailable."""
        if self._accounts is None or not self._may_reread():
            return None
        return await _session_state(self._accounts.reread(account))

    def _may_reread(self) -> bool:
        now = self._clock.steady()
        if not 0 <= now - self._rereads_since < 1.0:
            self._rereads, self._rereads_since = 0, now
        self._rereads += 1
        return self._rereads <= MAX_REREADS

    async def _credentials(self, account: str) -> str | None:
        """Return the state of an account's credentials. Raises Unavailable."""
        return None if self._accounts is None else await _session_state(self._accounts.get(account))

    def _complete(self, username: str) -> str:
        return f"{username}@{self._domain}" if username and "@" not in username and self._domain else username

    async def _account(self, username: str, proof: Proof) -> str:
        """Result of the portal. Raises Denied, Unavailable."""
        try:
            _, avatar, logout = await self._portal.login(cred(proof, username), None, self._interface)
        except TokenRefused as refused:
            raise Denied(str(refused), trouble=refused.trouble) from None
        except (UnauthorizedLogin, UnicodeEncodeError) as error:
            raise Denied(*error.args[:1] if isinstance(error, UnauthorizedLogin) else ()) from None
        except StoreError as error:
            raise Unavailable(str(error)) from error
        # Connections refer to the account by its name alone.
        logout()
        account: str = cast("Any", avatar).address
        if not proof.acts_for(account):
            raise Denied
        return account

    async def _wait(self, seconds: float) -> None:
        over: Deferred[None] = Deferred()
        self._clock.call_later(seconds, lambda: over.callback(None))
        await over


async def _session_state(reading: Awaitable[Account | None]) -> str:
    """Return `Account.credentials`; empty for no account. Raises Unavailable."""
    try:
        found = await reading
    except StoreError as error:
        raise Unavailable(str(error)) from error
    return "" if found is None else found.credentials


class UserAccess(Struct, frozen=True):
    """Authentication of a server's users, and the directory of their addresses."""

    submitters: Authenticator
    """Authenticator for message submission."""
    readers: Authenticator
    """Authenticator for mailboxes."""
    directory: Directory
    """Lookup of local domains, accounts and aliases."""
    web: Authenticator | None = None
    """Authenticator for pages and API; its users are administrators. None: accounts log in there."""
    server_of_mailbox: Callable[[str], str] | None = None
    """Host name of the server that reports about a mailbox, for servers that share a store. None: the server itself."""
