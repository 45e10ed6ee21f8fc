"""Authentication of HTTP requests by Basic (RFC 7617) or a session cookie."""

from __future__ import annotations

import binascii
import hmac
import secrets
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Sequence
from functools import partial
from hashlib import sha256
from typing import Protocol

import msgspec
from msgspec import Struct, field

from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import AccountLogin, Authenticator, Credentials, Denied, Unavailable
from mailstack.relay.external_relay import is_loopback
from mailstack.store import StoreError
from mailstack.web.context import ApiContext
from mailstack.web.http_messages import (
    HttpError,
    HttpRoute,
    Request,
    Response,
    RouteDoc,
    User,
    decode_json,
    json_response,
)

COOKIE = "mailstack"
SESSION_LIFETIME = 12 * 3600.0
"""Maximum seconds of a session, from its login."""


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Address and password of an account."""

    username: str
    password: str


class CurrentUser(Struct, frozen=True):
    """Account of the request."""

    account: str
    admin: bool


class LoginStore(Protocol):
    async def credentials(self, addresses: Sequence[str]) -> dict[str, str]: ...

    async def log_out(self, session: str, until: float, now: float) -> None: ...

    async def logged_out(self, sessions: Sequence[str]) -> set[str]: ...


class _Session(Struct, frozen=True):
    """Contents of a signed cookie, valid in each process of the server and after a restart."""

    account: str
    until: float
    """Seconds since 1970."""
    stamp: str | None
    """`AccountLogin.credentials` of the login; a change of credentials ends the session."""

    name: str = field(default_factory=partial(secrets.token_hex, 8))
    """Random name that distinguishes sessions of the same second."""


class _SessionSigner:
    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret or secrets.token_bytes(32), b"sessions of browsers", "sha256")

    def sign(self, session: _Session) -> str:
        body = urlsafe_b64encode(msgspec.json.encode(session))
        return f"{body.decode()}.{self._signature(body)}"

    def verify(self, token: str) -> _Session | None:
        """Return the session of a token; None without a valid signature."""
        body, _, mark = token.partition(".")
        octets = body.encode(errors="replace")
        if not body or not hmac.compare_digest(self._signature(octets).encode(), mark.encode(errors="replace")):
            return None
        return msgspec.json.decode(urlsafe_b64decode(octets), type=_Session)

    def _signature(self, body: bytes) -> str:
        return hmac.new(self._key, body, "sha256").hexdigest()


def login_from_context(context: ApiContext) -> Login:
    """Return the login by the accounts of the server."""
    config, access, options = context.config, context.access, context.options
    return Login(
        access.web or access.readers,
        context.store.accounts,
        context.clock,
        admins=None if access.web else [admin.key for admin in config.web.admins],
        # The accounts of a dev environment are for tests, and it has no https.
        require_tls=config.accounts.require_tls and not options.shown_accounts,
        secret=options.session_secret,
    )


def me_routes() -> tuple[HttpRoute, ...]:
    """Return the route of the current account, which exists without a login too."""
    return (HttpRoute("GET", "/v1/me", _me, "user", _ME_DOC),)


async def _me(request: Request) -> Response:
    return json_response(CurrentUser(request.user.account, request.user.is_admin))


_ME_DOC = RouteDoc("Account of the request.", CurrentUser)


class Login:
    """RequestAuthenticator with the portal and the throttle of all services, so that password guesses are slowed down."""

    def __init__(
        self,
        authenticator: Authenticator,
        accounts: LoginStore,
        clock: Clock,
        *,
        admins: Collection[str] | None = (),
        require_tls: bool = True,
        secret: bytes = b"",
    ) -> None:
        """`admins` are `Address.key`s; None: each account is an administrator.

        `require_tls` accepts passwords without TLS from loopback only.
        """
        self._authenticator = authenticator
        self._accounts = accounts
        self._admins = None if admins is None else frozenset(admins)
        self._require_tls = require_tls
        self._now = clock.now
        self._signer = _SessionSigner(secret)

    @property
    def routes(self) -> tuple[HttpRoute, ...]:
        return (
            HttpRoute(
                "POST", "/v1/login", self.log_in, doc=RouteDoc("Log in: start a session.", CurrentUser, LoginRequest)
            ),
            HttpRoute("DELETE", "/v1/login", self.log_out, doc=RouteDoc("Log out: end the session.", CurrentUser)),
            *me_routes(),
        )

    async def authenticate(self, request: Request) -> User:
        """Authenticate a request. Raises HttpError."""
        token = _token(request)
        if token and (session := self._signer.verify(token)) is not None and await self._is_valid(session, token):
            return self._user_of(AccountLogin(session.account, session.stamp, _digest(token)))
        kind, _, credentials = request.fields.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            raise _unauthorized(request, "Login required: send a user name and a password.")
        try:
            name, colon, password = b64decode(credentials.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise _unauthorized(request, "The Authorization field is not valid for Basic (RFC 7617).") from None
        if not colon:
            raise _unauthorized(request, "The Authorization field is not valid for Basic (RFC 7617).")
        return self._user_of(await self._check_password(request, name, password))

    async def _is_valid(self, session: _Session, token: str) -> bool:
        """Whether a session is valid: no timeout, logout or change of credentials. Raises HttpError."""
        if self._now() >= session.until:
            return False
        try:
            if session.stamp is not None:
                current = await self._accounts.credentials([session.account])
                if current.get(session.account, "") != session.stamp:
                    return False
            return not await self._accounts.logged_out([_digest(token)])
        except StoreError:
            raise _unavailable() from None

    def _user_of(self, login: AccountLogin) -> User:
        return User(login.account, self._admins is None or login.account in self._admins, login)

    async def _check_password(self, request: Request, name: str, password: str) -> AccountLogin:
        """Check a password and return the login. Raises HttpError."""
        if self._require_tls and not request.is_secure and not is_loopback(request.remote.host):
            raise HttpError(403, "Passwords are accepted over https only ([accounts] require_tls).")
        try:
            return await self._authenticator.login(
                Credentials(username=name, password=password, mechanism="HTTP"), request.remote
            )
        except Denied:
            raise _unauthorized(request, "The user name or the password is wrong.") from None
        except Unavailable:
            raise _unavailable() from None

    async def log_in(self, request: Request) -> Response:
        """Start a session; its cookie is HttpOnly and SameSite=Strict."""
        wanted = decode_json(request, LoginRequest)
        login = await self._check_password(request, wanted.username, wanted.password)
        token = self._signer.sign(_Session(login.account, self._now() + SESSION_LIFETIME, login.credentials))
        user = self._user_of(login)
        return json_response(
            CurrentUser(login.account, user.is_admin), 200, _cookie(request, token, int(SESSION_LIFETIME))
        )

    async def log_out(self, request: Request) -> Response:
        # Only valid sessions are stored as logged out.
        token, now = _token(request), self._now()
        if token and (session := self._signer.verify(token)) is not None and session.until > now:
            try:
                await self._accounts.log_out(_digest(token), session.until, now)
            except StoreError:
                raise _unavailable() from None
        return json_response(CurrentUser("", admin=False), 200, _cookie(request, "", 0))


def _digest(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def _token(request: Request) -> str:
    for each in request.fields.get("cookie", "").split(";"):
        name, _, value = each.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _cookie(request: Request, token: str, seconds: int) -> tuple[str, str]:
    secure = "; Secure" if request.is_secure else ""
    return ("Set-Cookie", f"{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")


def _unavailable() -> HttpError:
    return HttpError(503, "Logins are not possible at present; try again later.", ("Retry-After", "5"))


def _unauthorized(request: Request, reason: str) -> HttpError:
    """Return a 401 response, without WWW-Authenticate for browsers, which would open their own login dialog."""
    if "sec-fetch-mode" in request.fields:
        return HttpError(401, reason)
    return HttpError(401, reason, ("WWW-Authenticate", 'Basic realm="mailstack", charset="UTF-8"'))
