"""Authenticator: logins as the protocols ask for them, decided by a twisted.cred Portal."""

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
"""Octets of an address (RFC 3696, erratum 1690: fewer); what is longer is no account, and is counted by its beginning."""


MAX_CONCURRENT = 8
"""Maximum concurrent logins of one client: so the first failures slow the next guesses, and no client alone fills the
queue for passwords."""
MAX_WAITING = 64
"""Maximum logins of one client that wait; further ones are deferred."""


MAX_REREADS = 20
"""Maximum number of failed logins per second for which an account is read past the store's cache."""


class TokenRefused(UnauthorizedLogin):
    """Rejected token; the client gets the reason (RFC 7628 §3.2.2), because only its issuer can help."""

    def __init__(self, reason: str, trouble: dict[str, str]) -> None:
        super().__init__(reason)
        self.trouble = trouble


class KeyKeeper(Protocol):
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
        keeper: KeyKeeper | None = None,
        accounts: AccountLookup | None = None,
    ) -> None:
        """`domains`: a user name without @ is completed by the first. `interface` is what the login is for.

        Without a `keeper` SCRAM is not offered. `accounts` tell the credentials that a login rests on; without them no
        change ends a login.
        """
        self._portal = portal
        self._clock = clock
        self._throttle = throttle
        self._domain = domains[0] if domains else ""
        self._interface = interface
        self._keeper = keeper
        self._accounts = accounts
        self._undecided: dict[str, DeferredSemaphore] = {}
        self._rereads = 0
        self._rereads_since = 0.0
        decided = {KINDS[kind] for kind in portal.listCredentialsInterfaces() if kind in KINDS}
        self.kinds: frozenset[type[Proof]] = frozenset(decided - ({ScramProof} if keeper is None else set()))
        """The kinds of proof that can be decided here."""

    async def scram_keys(self, username: str) -> ScramKeys:
        """SCRAM keys of a user, invented ones for an unknown name. Raises Unavailable."""
        assert self._keeper is not None, "SCRAM is not offered without a keeper"
        try:
            return await self._keeper.keys(self._complete(username))
        except StoreError as error:
            raise Unavailable(str(error)) from error

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        """The login to the account, after the delay that earlier failures cost.

        Raises Denied, also when an identity other than the account's own is asked for (RFC 4616 §2); Unavailable.
        """
        username = self._complete(proof.username)
        # However an account is spelled, its failures are counted together. A token or certificate may name the account by
        # itself; its failures then count for where it came from alone.
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
        """One of the places of a client. Raises Unavailable."""
        client = client_network(host)
        places = self._undecided.setdefault(client, DeferredSemaphore(MAX_CONCURRENT))
        if len(places.waiting) >= MAX_WAITING:
            raise Unavailable(f"{MAX_WAITING} logins from {client} wait already")
        await places.acquire()
        try:
            yield
        finally:
            if places.waiting:
                # In a later turn: else very many waiting logins would be resumed one within the other.
                self._clock.call_later(0, lambda: self._release(client, places))
            else:
                self._release(client, places)

    def _release(self, client: str, places: DeferredSemaphore) -> None:
        places.release()
        if places.tokens == places.limit:
            del self._undecided[client]

    async def _decide(self, username: str, proof: Proof, host: str, name: str) -> AccountLogin:
        """Result of the portal, counted. Raises as `login`."""
        # Read before the proof is looked at: a change while that is decided ends the login.
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
            # The name helps to find guessers in the log; the client does not get it.
            raise Denied(": ".join([repr(username[:100]), *map(str, denied.args)]), trouble=denied.trouble) from None
        self._throttle.succeeded(host, name)
        return AccountLogin(account, credentials if account == name else await self._credentials(account))

    async def _reload_account(self, username: str, proof: Proof) -> str:
        """Repeats the decision with an account that was read again. Raises Denied, Unavailable."""
        try:
            return await self._account(username, proof)
        except Denied:
            if isinstance(proof, ScramProof):
                # Its challenge had the salt of the old password, so that the right password can't fit either.
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
        # The connection remembers the account by its name, so that the avatar has nothing more to do.
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
    """Users of a server: how they log in, and which addresses they have."""

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
