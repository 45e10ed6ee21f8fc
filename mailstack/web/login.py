"""Who asks: by a password with each request (RFC 7617), or by a session that a browser logged in to."""

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
from mailstack.relay.loopback import is_loopback
from mailstack.store import StoreError
from mailstack.web.api.context import ApiContext
from mailstack.web.http_values import HttpError, Request, Response, User, decode_json, json_response
from mailstack.web.routes import HttpRoute, RouteDoc

COOKIE = "mailstack"
SESSION_LIFETIME = 12 * 3600.0
"""Seconds that a session lasts, from the login."""


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Address and password of an account."""

    username: str
    password: str


class CurrentUser(Struct, frozen=True):
    """Who one is here."""

    account: str
    admin: bool


class LoginStore(Protocol):
    """The part of a Store that is asked."""

    async def credentials(self, addresses: Sequence[str]) -> dict[str, str]: ...

    async def log_out(self, session: str, until: float, now: float) -> None: ...

    async def logged_out(self, sessions: Sequence[str]) -> set[str]: ...


class _Session(Struct, frozen=True):
    """What a cookie says, signed: so every process of the server knows it, also after a restart."""

    account: str
    until: float
    """Seconds since 1970."""
    stamp: str | None
    """`AccountLogin.credentials` of the login by which it began: other credentials end it."""

    name: str = field(default_factory=partial(secrets.token_hex, 8))
    """Keeps sessions apart that began at the same time."""


class _SessionSigner:
    """Signs sessions, and reads those that are signed."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret or secrets.token_bytes(32), b"sessions of browsers", "sha256")

    def sealed(self, session: _Session) -> str:
        body = urlsafe_b64encode(msgspec.json.encode(session))
        return f"{body.decode()}.{self._mark(body)}"

    def opened(self, token: str) -> _Session | None:
        """None for what we have not signed."""
        body, _, mark = token.partition(".")
        octets = body.encode(errors="replace")
        if not body or not hmac.compare_digest(self._mark(octets).encode(), mark.encode(errors="replace")):
            return None
        return msgspec.json.decode(urlsafe_b64decode(octets), type=_Session)

    def _mark(self, body: bytes) -> str:
        return hmac.new(self._key, body, "sha256").hexdigest()


def login_from_context(context: ApiContext) -> Login:
    """By the accounts of the server."""
    config, access, options = context.config, context.access, context.options
    return Login(
        access.web or access.readers,
        context.store,
        context.clock,
        admins=None if access.web else [admin.key for admin in config.web.admins],
        # Those of a dev environment are for tests, and it has no https.
        require_tls=config.accounts.require_tls and not options.shown_accounts,
        secret=options.session_secret,
    )


def me_routes() -> tuple[HttpRoute, ...]:
    """Where nobody has to log in, one may ask all the same who one is."""
    return (HttpRoute("GET", "/v1/me", _me, "user", doc=_ME_DOC),)


async def _me(request: Request) -> Response:
    return json_response(CurrentUser(request.user.account, request.user.is_admin))


_ME_DOC = RouteDoc("Who one is here.", response=CurrentUser)


class Login:
    """A site.Doorkeeper; guesses wait as they do at every port, since it is the same portal and throttle that decide."""

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
        """`admins` are `Address.key`s; None: everybody who logs in is one. With `require_tls` a password in clear is taken from this machine alone."""
        self._authenticator = authenticator
        self._accounts = accounts
        self._admins = None if admins is None else frozenset(admins)
        self._require_tls = require_tls
        self._now = clock.now
        self._seal = _SessionSigner(secret)

    @property
    def routes(self) -> tuple[HttpRoute, ...]:
        """Where browsers log in, and out."""
        return (
            HttpRoute(
                "POST",
                "/v1/login",
                self.log_in,
                doc=RouteDoc("Begin a session.", request=LoginRequest, response=CurrentUser),
            ),
            HttpRoute("DELETE", "/v1/login", self.log_out, doc=RouteDoc("End it.", response=CurrentUser)),
            *me_routes(),
        )

    async def authenticate(self, request: Request) -> User:
        """Raises Trouble."""
        token = _token(request)
        if token and (session := self._seal.opened(token)) is not None and await self._holds(session, token):
            return self._known(AccountLogin(session.account, session.stamp, _digest(token)))
        kind, _, given = request.fields.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            raise _unauthorized(request, "Log in with the name and password of somebody who may come in.")
        try:
            name, colon, password = b64decode(given.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise _unauthorized(request, "That is no Authorization by Basic (RFC 7617).") from None
        if not colon:
            raise _unauthorized(request, "That is no Authorization by Basic (RFC 7617).")
        return self._known(await self._checked(request, name, password))

    async def _holds(self, session: _Session, token: str) -> bool:
        """Whether it has not ended: by its time, a logout, or other credentials. Raises Trouble."""
        if self._now() >= session.until:
            return False
        try:
            if session.stamp is not None:
                known = await self._accounts.credentials([session.account])
                if known.get(session.account, "") != session.stamp:
                    return False
            return not await self._accounts.logged_out([_digest(token)])
        except StoreError:
            raise _unavailable() from None

    def _known(self, login: AccountLogin) -> User:
        return User(login.account, self._admins is None or login.account in self._admins, login)

    async def _checked(self, request: Request, name: str, password: str) -> AccountLogin:
        """The login. Raises Trouble."""
        if self._require_tls and not request.is_secure and not is_loopback(request.remote.host):
            raise HttpError(403, "Passwords are taken over https only; [accounts] require_tls says so.")
        try:
            return await self._authenticator.login(
                Credentials(username=name, password=password, mechanism="HTTP"), request.remote
            )
        except Denied:
            raise _unauthorized(request, "The user name or the password is wrong.") from None
        except Unavailable:
            raise _unavailable() from None

    async def log_in(self, request: Request) -> Response:
        """A session for a browser; its cookie goes nowhere but here, and no script sees it."""
        wanted = decode_json(request, LoginRequest)
        login = await self._checked(request, wanted.username, wanted.password)
        token = self._seal.sealed(_Session(login.account, self._now() + SESSION_LIFETIME, login.credentials))
        user = self._known(login)
        return json_response(
            CurrentUser(login.account, user.is_admin), 200, _cookie(request, token, int(SESSION_LIFETIME))
        )

    async def log_out(self, request: Request) -> Response:
        # What we have not signed, or what is over, takes no room in the store.
        token, now = _token(request), self._now()
        if token and (session := self._seal.opened(token)) is not None and session.until > now:
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
    return HttpError(503, "Nobody can log in at the moment; try again.", ("Retry-After", "5"))


def _unauthorized(request: Request, why: str) -> HttpError:
    """Programs are told how to log in; a browser would put up a window of its own, and has a page for it."""
    if "sec-fetch-mode" in request.fields:
        return HttpError(401, why)
    return HttpError(401, why, ("WWW-Authenticate", 'Basic realm="mailstack", charset="UTF-8"'))
