"""Registry of open sessions: ends those with outdated credentials."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from mailstack.protocols.sasl import AccountLogin, Unavailable
from mailstack.store import StoreError

_log = logging.getLogger(__name__)

POLL = 0.25
"""Default seconds between scans for changed accounts, while any session is open."""


class SessionStore(Protocol):
    """Methods of `mailstack.store.accounts.AccountStore` in use here."""

    async def get(self, address: str) -> Any: ...

    async def credentials(self, addresses: Sequence[str]) -> dict[str, str]: ...

    async def logged_out(self, sessions: Sequence[str]) -> set[str]: ...

    def version(self) -> object: ...


class RegisteredSession:
    """A sasl.OpenSession. States: open, ended by changed credentials, closed."""

    # Slots save memory: thousands of sessions are idle at a time.
    __slots__ = ("_end", "_is_closed", "_registry", "ended", "login")

    def __init__(self, registry: SessionRegistry, login: AccountLogin, end: Callable[[], None]) -> None:
        self._registry = registry
        self._end = end
        self.login = login
        self.ended = False
        self._is_closed = False

    async def holds(self) -> bool:
        """Whether its credentials are current. Raises StoreError."""
        if not self.ended:
            await self._registry.check()
        return not self.ended

    def close(self) -> None:
        """Deregister a session that has ended by itself; does nothing after `end`."""
        self._is_closed = True
        self._registry.discard(self)

    def end(self) -> None:
        """End the session, unless it is closed."""
        if not self._is_closed:
            self._end()


class SessionRegistry:
    """Open sessions of one process (a sasl.Sessions), compared with the accounts in the store.

    | in the store | session |
    | --- | --- |
    | the account has the credentials of the login | continues |
    | the account has others: a new password, a removed app password, `user kick`, another holder | ends |
    | no account, where there was one | ends |
    | the browser's session has logged out | ends |

    The store is read when its version of the accounts has changed, or each `poll` seconds if it has no version.
    A store that can't be reached ends nothing.
    """

    def __init__(self, accounts: SessionStore, call_later: Callable[..., Any], poll: float = POLL) -> None:
        """`call_later` is the reactor's, because sessions don't follow an adjustable clock; `poll` is in seconds."""
        self._accounts = accounts
        self._call_later = call_later
        self._seconds = poll
        self._open: set[RegisteredSession] = set()
        self._unchecked = False
        """Whether a session was opened since the last scan; its login may use credentials read before a change."""
        self._version: object = None
        self._waiting: list[Deferred[None]] = []
        self._is_reading = False
        self._is_polling = False

    def __len__(self) -> int:
        return len(self._open)

    def open(self, login: AccountLogin, end: Callable[[], None]) -> RegisteredSession:
        """Register a session. `end` is called once, in a turn of its own, when the credentials change."""
        session = RegisteredSession(self, login, end)
        if login.credentials is not None:
            self._open.add(session)
            self._unchecked = True
            self._poll()
        return session

    async def login_of(self, account: str) -> AccountLogin:
        """Login to an account that another host has authenticated. Raises Unavailable."""
        try:
            found = await self._accounts.get(account)
        except StoreError as error:
            raise Unavailable(str(error)) from error
        return AccountLogin(account, "" if found is None else found.credentials)

    def discard(self, session: RegisteredSession) -> None:
        self._open.discard(session)

    async def check(self) -> None:
        """Compare every open session with the current store. Raises StoreError."""
        if self._is_current():
            return
        # A comparison under way may have read before the change, so this call waits for the next one.
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        if not self._is_reading:
            self._is_reading = True
            Deferred.fromCoroutine(self._read()).addErrback(lambda failure: _log.error("unhandled error: %s", failure))
        await waiter

    def _is_current(self) -> bool:
        """Whether nothing can have changed since the last scan."""
        if self._unchecked:
            return False
        version = self._accounts.version()
        return version is not None and version == self._version

    async def _read(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                try:
                    await self._compare()
                except Exception as error:  # noqa: BLE001 - each waiting call gets it
                    self._unchecked = True
                    for waiter in waiting:
                        waiter.errback(error)
                else:
                    for waiter in waiting:
                        waiter.callback(None)
        finally:
            self._is_reading = False

    async def _compare(self) -> None:
        version, self._unchecked = self._accounts.version(), False
        # Sessions opened since have newer credentials than the ones read here.
        sessions = list(self._open)
        accounts = list({session.login.account for session in sessions})
        cookies = list({session.login.session for session in sessions} - {""})
        credentials = await self._accounts.credentials(accounts) if accounts else {}
        gone = await self._accounts.logged_out(cookies) if cookies else set()
        self._version = version
        for session in sessions:
            login = session.login
            if credentials.get(login.account, "") != login.credentials or login.session in gone:
                self._end(session)

    def _end(self, session: RegisteredSession) -> None:
        if session in self._open:
            session.ended = True
            self._open.discard(session)
            _log.info("a session of %s ends: its credentials have changed", session.login.account)
            # In a later turn, because the session itself may have called `check`.
            self._call_later(0, session.end)

    def _poll(self) -> None:
        if not self._is_polling:
            self._is_polling = True
            self._call_later(self._seconds, self._tick)

    def _tick(self) -> None:
        self._is_polling = False
        if self._open:
            Deferred.fromCoroutine(self._check()).addErrback(lambda failure: _log.error("unhandled error: %s", failure))

    async def _check(self) -> None:
        try:
            await self.check()
        except StoreError as error:
            _log.debug("sessions can't be compared with their accounts: %s", error)
        if self._open:
            self._poll()
