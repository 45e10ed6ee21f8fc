"""SMTP server session: AUTH and XCLIENT (RFC 4954)."""

from __future__ import annotations

import logging
from typing import ClassVar

from msgspec.structs import replace

from mailstack.protocols.sasl import MECHANISMS, AccountLogin, Cancelled, Denied, Malformed, SaslExchange, Unavailable
from mailstack.protocols.smtp.commands import Auth, AuthResponse, Rejected, XClient
from mailstack.protocols.smtp.replies import (
    AUTH_CANCELLED,
    AUTH_MALFORMED,
    AUTH_UNAVAILABLE,
    AUTHENTICATED,
    BAD_CREDENTIALS,
    TOO_MANY_GUESSES,
    Refusal,
    Reply,
)
from mailstack.protocols.smtp.session_state import AuthenticatedUser, Gone, Handlers, SessionState

_log = logging.getLogger(__name__)


async def authenticate(exchange: SaslExchange) -> AuthenticatedUser:
    """The account of a successful exchange. Raises Denied for wrong credentials, else Refusal."""
    name = exchange.mechanism
    try:
        return AuthenticatedUser(await MECHANISMS[name].prove(exchange), name)
    except Cancelled:
        raise Refusal(AUTH_CANCELLED) from None
    except Malformed as malformed:
        raise Refusal(AUTH_MALFORMED, f"{name}: {malformed}") from None
    except Unavailable as trouble:
        raise Refusal(AUTH_UNAVAILABLE, f"{name}: {trouble}") from None


class SessionLogin(SessionState):
    """Commands that change the identity of the client."""

    __slots__ = ()

    async def _on_xclient(self, client: XClient) -> Reply:
        """Restart the session as that of the client in XCLIENT."""
        self._reset_transaction()
        if client.address is None:
            # A later XCLIENT can add attributes. The address stays that of the earlier one.
            before = self._xclient
            client = replace(client, address=before.address, port=before.port)
        self._xclient = client
        self._close_login()
        self.identity = AuthenticatedUser(await self._login_of(client.login), "XCLIENT") if client.login else None
        self._errors = self._auth_failures = self._junk = self._letters = 0
        self._header_hooks = self.rules.header_hooks(self)
        self._update_capabilities()
        _log.info("XCLIENT: %s is a proxy for %s", self._peer.remote.host, self.remote.host)
        try:
            await self.rules.check_client(self)
        except Refusal as refusal:
            raise Refusal(replace(refusal.reply, closes=True), refusal.reason) from None
        return self._greeting

    async def _auth(self, auth: Auth) -> Reply:
        authenticator = self._listener.authenticator
        assert authenticator is not None, "the engine accepts only mechanisms that it offers"
        channel, remote = self._channel(), self.remote
        exchange = SaslExchange(auth.mechanism, auth.initial, channel, authenticator, remote, self._challenge)
        try:
            self.identity = await authenticate(exchange)
            self._register(self.identity.login)
        except Denied as denied:
            self._auth_failures += 1
            reason = f": {denied.args[0]}" if denied.args else ""
            _log.info("AUTH %s from %s denied%s", auth.mechanism, remote.host, reason)
            return TOO_MANY_GUESSES if self._auth_failures >= self._limits.auth_failures else BAD_CREDENTIALS
        self._update_capabilities()
        return AUTHENTICATED

    async def _login_of(self, account: str) -> AccountLogin:
        """The registered login to an account that the proxy has authenticated. Raises Refusal."""
        if self._listener.sessions is None:
            return AccountLogin(account)
        try:
            login = await self._listener.sessions.login_of(account)
        except Unavailable as error:
            raise Refusal(AUTH_UNAVAILABLE, str(error)) from error
        self._register(login)
        return login

    def _register(self, login: AccountLogin) -> None:
        if self._listener.sessions is not None:
            self._login = self._listener.sessions.open(login, self._credentials_changed)

    def _credentials_changed(self) -> None:
        self._is_logged_out = True
        self._log_out()

    async def _challenge(self, challenge: bytes) -> bytes:
        """The response to a challenge. Raises Cancelled, and Refusal for invalid base64."""
        self._peer.send(self._engine.challenge(challenge))
        event = await self._peer.next_event(self._timeout(self._limits.command_timeout))
        if isinstance(event, AuthResponse):
            if event.response is None:
                raise Cancelled
            return event.response
        if isinstance(event, Rejected):
            raise Refusal(event.reply)
        self._end(event)  # type: ignore[arg-type]
        raise Gone

    HANDLERS: ClassVar[Handlers] = {Auth: _auth, XClient: _on_xclient}
