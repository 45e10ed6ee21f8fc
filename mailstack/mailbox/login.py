"""Login of a mailbox session: SASL exchange, denials and registration, for POP3 and IMAP."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol

from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import (
    MECHANISMS,
    AccountLogin,
    Authenticator,
    Cancelled,
    Channel,
    Denied,
    Malformed,
    OpenSession,
    Proof,
    SaslExchange,
    Sessions,
    Unavailable,
    offered,
)

_log = logging.getLogger(__name__)


class SessionEnded(Exception):
    """End of a mailbox session: logout, disconnect, timeout, shutdown, or too many errors."""


class LoginFailure(Enum):
    """Reason of a refused login, for the response code of the protocol."""

    DENIED = "denied"
    CANCELLED = "cancelled"
    MALFORMED = "malformed"
    UNAVAILABLE = "unavailable"


class LoginRefused(Exception):
    """Failed login; str() is the text of the reply."""

    def __init__(self, failure: LoginFailure, text: str) -> None:
        super().__init__(text)
        self.failure = failure


class LoginDialogue(Protocol):
    """What a login needs of the session's dialogue."""

    @property
    def pause(self) -> Callable[[float], Awaitable[object]]:
        """Coroutine that returns after a number of seconds."""

    @property
    def remote(self) -> HostPort: ...

    def channel(self, host: str) -> Channel:
        """Properties of the connection for a SASL mechanism; `host` is the host name of the server."""


class LoginLimits(Protocol):
    """Limits of logins in one connection."""

    @property
    def failure_delay(self) -> float:
        """Seconds before a wrong password is answered."""

    @property
    def auth_failures(self) -> int:
        """Maximum wrong passwords before the connection is closed."""


class MailboxLogin:
    """Logins of one connection."""

    def __init__(
        self,
        dialogue: LoginDialogue,
        limits: LoginLimits,
        authenticator: Authenticator,
        *,
        server: str,
        sessions: Sessions | None = None,
        log_out: Callable[[], None] = lambda: None,
    ) -> None:
        """`sessions` registers the login, and calls `log_out` when it becomes invalid; None: no login becomes invalid."""
        self._dialogue = dialogue
        self._limits = limits
        self._authenticator = authenticator
        self._server = server
        self._sessions = sessions
        self._log_out = log_out
        self._session: OpenSession | None = None
        self._failures = 0

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms for the connection as it is now."""
        return offered(self._authenticator, self._dialogue.channel(self._server))

    @property
    def is_exhausted(self) -> bool:
        """Whether the connection is closed after so many wrong passwords."""
        return self._failures >= self._limits.auth_failures

    def check(self, proof: Proof) -> Awaitable[AccountLogin]:
        """Login by a proof, for `prove`."""
        return self._authenticator.login(proof, self._dialogue.remote)

    def exchange(
        self, mechanism: str, initial: bytes | None, ask: Callable[[bytes], Awaitable[bytes]]
    ) -> Awaitable[AccountLogin]:
        """Login by one of `mechanisms`, for `prove`. `ask` returns the response to a challenge."""
        remote, channel = self._dialogue.remote, self._dialogue.channel(self._server)
        return MECHANISMS[mechanism].prove(SaslExchange(mechanism, initial, channel, self._authenticator, remote, ask))

    async def prove(self, proving: Awaitable[AccountLogin], login_name: str) -> AccountLogin:
        """Returns a valid login. Raises LoginRefused, for a denial with one text and one delay (RFC 3206 §5)."""
        try:
            return await proving
        except Denied as denied:
            await self._deny(login_name, denied)
            raise LoginRefused(LoginFailure.DENIED, str(Denied())) from None
        except Cancelled:
            raise LoginRefused(LoginFailure.CANCELLED, "authentication cancelled") from None
        except Malformed as malformed:
            raise LoginRefused(LoginFailure.MALFORMED, str(malformed) or "the response is malformed") from None
        except Unavailable:
            text = "logins can't be checked now, try again later"
            raise LoginRefused(LoginFailure.UNAVAILABLE, text) from None

    def open(self, login: AccountLogin) -> None:
        """Registers the session of a login."""
        if self._sessions is not None:
            self._session = self._sessions.open(login, self._log_out)

    def close(self) -> None:
        """Releases the login at the end of the session."""
        if self._session is not None:
            self._session.close()

    async def _deny(self, login_name: str, denied: Denied) -> None:
        reason = f": {denied.args[0]}" if denied.args else ""
        _log.info("login (%r) from %s denied%s", login_name[:100], self._dialogue.remote.host, reason)
        await self._dialogue.pause(self._limits.failure_delay)
        self._failures += 1
