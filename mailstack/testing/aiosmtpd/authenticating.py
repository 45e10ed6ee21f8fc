"""AUTH by the methods of a handler, or by PLAIN and LOGIN with an authenticator: `auth_PLAIN(server, args)` and so on."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from mailstack.smtp.commands import Auth, AuthResponse, Rejected, ServerEvent
from mailstack.smtp.server import ServerEngine
from mailstack.testing.aiosmtpd.peer import AsyncioPeer
from mailstack.testing.aiosmtpd.values import MISSING, AuthResult, Envelope, LoginPassword, Session, _Missing

SUCCEEDED = "235 2.7.0 Authentication successful"
INVALID = "535 5.7.8 Authentication credentials invalid"


class Authenticating:
    """The part of SMTP that finds out who the client is."""

    AuthLoginUsernameChallenge = "User Name\x00"
    AuthLoginPasswordChallenge = "Password\x00"

    session: Session
    envelope: Envelope
    _engine: ServerEngine
    _peer: AsyncioPeer[ServerEvent]
    _timeout: float
    _owes: bool
    _auth_methods: dict[str, Callable[..., Any]]
    _authenticator: Callable[..., AuthResult] | None
    _auth_callback: Callable[[str, bytes, bytes], bool] | None
    _answer: Callable[[str], None]
    _hook: Callable[..., Any]

    async def authenticate(self, auth: Auth) -> None:
        """One exchange."""
        initial = [] if auth.initial is None else [b64encode(auth.initial).decode() or "="]
        arguments = [auth.mechanism, *initial]
        status = await self._hook("AUTH", arguments)
        if status is MISSING:
            status = self._told(await self._auth_methods[auth.mechanism](self, arguments))
        if self._owes and status is not None:
            self._answer(status)

    def _told(self, result: Any) -> str | None:
        """The reply to what a method found out; None when it was given already."""
        if isinstance(result, AuthResult):
            if result.success:
                self.session.authenticated = True
                self.session.auth_data = result.auth_data
                self.session.login_data = getattr(result.auth_data, "login", None)
                return result.message or SUCCEEDED
            return None if result.handled else result.message or INVALID
        # Methods from before there was AuthResult: who it is, or False, or None when the reply was given.
        if result is None:
            return None
        if result is MISSING or result is False:
            return INVALID
        self.session.authenticated, self.session.login_data = True, result
        return SUCCEEDED

    async def challenge_auth(
        self,
        challenge: str | bytes,
        encode_to_b64: bool = True,
        log_client_response: bool = False,  # noqa: ARG002, FBT
    ) -> bytes | _Missing:
        """The client's response to a challenge; MISSING when it gave up, or sent no base64, which it was told then."""
        octets = challenge.encode() if isinstance(challenge, str) else challenge
        said = self._engine.challenge(octets)
        self._owes = False
        self._peer.send(said if encode_to_b64 else b"334 " + octets + b"\r\n")
        event = await self._peer.next_event(self._timeout)
        if isinstance(event, AuthResponse):
            self._owes = True
            if event.response is not None:
                return event.response
            self._answer("501 5.7.0 Auth aborted")
        elif isinstance(event, Rejected):
            self._owes = True
            self._answer("501 5.5.2 Can't decode base64")
        return MISSING

    async def auth_PLAIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802 - the mechanism's name
        """RFC 4616; the identity to act as is not looked at."""
        response = await self.challenge_auth("") if len(args) == 1 else _initial(args[1])
        if response is MISSING:
            return AuthResult(success=False)
        assert isinstance(response, bytes)
        parts = response.split(b"\0")
        if len(parts) != 3:
            self._answer("501 5.5.2 Can't split auth value")
            return AuthResult(success=False, handled=True)
        return self._authenticate("PLAIN", LoginPassword(parts[1], parts[2]))

    async def auth_LOGIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802 - the mechanism's name
        """Name and password, each asked for."""
        first = self.AuthLoginUsernameChallenge
        login = await self.challenge_auth(first) if len(args) == 1 else _initial(args[1])
        password = MISSING if login is MISSING else await self.challenge_auth(self.AuthLoginPasswordChallenge)
        if isinstance(login, bytes) and isinstance(password, bytes):
            return self._authenticate("LOGIN", LoginPassword(login, password))
        return AuthResult(success=False)

    def _authenticate(self, mechanism: str, auth_data: Any) -> AuthResult:
        if self._authenticator is not None:
            return self._authenticator(self, self.session, self.envelope, mechanism, auth_data)
        if self._auth_callback is not None and self._auth_callback(mechanism, *auth_data):
            return AuthResult(success=True, auth_data=auth_data)
        return AuthResult(success=False, handled=False)


def _initial(argument: str) -> bytes:
    return b"" if argument == "=" else b64decode(argument)
