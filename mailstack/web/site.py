"""Finds the page that a request is for, and refuses what is not for us."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Awaitable, Coroutine, Iterable
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mailstack.net.thread_pool import PoolFull
from mailstack.protocols.rate_limited_log import RateLimitedLog
from mailstack.protocols.sasl import Sessions
from mailstack.store import Damaged, StoreError
from mailstack.web.cors import Origins
from mailstack.web.http_values import PROBLEM, HttpError, Request, Response, Upgrade, User, plain
from mailstack.web.routes import Route, Routes, variables

_log = logging.getLogger(__name__)

T = TypeVar("T")

GUARDS = (
    # No scripts, nothing from elsewhere, in nobody's frame.
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    # A name that a letter links to may be made for its reader alone: to look it up tells that it was read.
    ("X-DNS-Prefetch-Control", "off"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
"""Fields of every answer, unless the page has its own."""

API = "/v1/"
"""Below this path every refusal is a problem in JSON (RFC 9457)."""

DAMAGED = (
    "What is stored of this letter is damaged, and is not shown. The server's log says what; restore it from a backup."
)
UNAVAILABLE = "The store can't be read or written at present. The server's log says why; try again later."

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 §9.2.1."""


class AuthorizedRequest(Struct, frozen=True):
    """An ask that may be answered by its page."""

    route: Route
    ask: Request
    """With who asks, and the variables of the path."""


class RequestAuthenticator(Protocol):
    """Who knows visitors; `mailstack.web.login` has those that ask for a password."""

    async def visitor(self, ask: Request) -> User:
        """Who asks. Raises Trouble 401, or 403."""


class DenyAll:
    """A RequestAuthenticator that lets nobody in: what only users may see is not shown."""

    async def visitor(self, ask: Request) -> User:
        """Raises Trouble."""
        raise HttpError(403, f"Nobody can log in here, and {ask.path} is not for everybody.")


class AllowAll:
    """A RequestAuthenticator of a place where only its owner comes: on loopback, in a dev environment."""

    async def visitor(self, _: Request) -> User:
        return User(is_admin=True)


class Site:
    """The pages of one server, by path."""

    def __init__(
        self,
        routes: Iterable[Route],
        hosts: Iterable[str],
        *,
        doorkeeper: RequestAuthenticator | None = None,
        origins: Origins | None = None,
        root: str = "/",
        sessions: Sessions | None = None,
    ) -> None:
        """`hosts` are the names that we answer to. An IP address, or localhost, is always one of them. All routes stand below `root`.

        `sessions` registers requests that rest on a login.

        A page of somebody else's, whose name is made to lead here (DNS rebinding), hears nothing: its Host is its own.
        """
        self.routes = Routes(routes)
        self.sessions = sessions
        self._hosts = frozenset(host.lower() for host in hosts)
        self._doorkeeper = doorkeeper or DenyAll()
        self._origins = origins or Origins()
        self._complaint = RateLimitedLog(_log, time.monotonic)
        self._root = tuple(part for part in root.split("/") if part)

    def takes_large(self, method: str, segments: tuple[str, ...]) -> bool:
        """Whether a body may be as large as a letter."""
        inside = self._inside(segments)
        route = None if inside is None else self.routes.at(inside).get(method)
        return route is not None and route.is_large

    def _inside(self, segments: tuple[str, ...]) -> tuple[str, ...] | None:
        """What stands behind the root; None for what is not below it."""
        depth = len(self._root)
        return segments[depth:] if segments[:depth] == self._root and len(segments) > depth else None

    async def answer(self, ask: Request) -> Response | Upgrade:
        """What to say; raises nothing but CancelledError."""
        entered = await self.enter(ask)
        return entered if isinstance(entered, Response) else await self.show(entered)

    async def enter(self, ask: Request) -> AuthorizedRequest | Response:
        """Everything that is decided without the body, which `ask` need not have: which page, and whether for this visitor. Or the refusal; raises as `answer`."""
        if self._root:
            inside = self._inside(ask.segments)
            if inside is None:
                return self._outside(ask)
            ask = replace(ask, path="/" + "/".join(inside), parts=inside)
        return await self._guarded(ask, self._entered(ask))

    async def show(self, entered: AuthorizedRequest) -> Response | Upgrade:
        """What the page says, to an ask with its body; raises as `answer`."""
        return await self._guarded(entered.ask, self._shown(entered))

    async def _guarded(self, ask: Request, work: Awaitable[T | Response]) -> T | Response:
        """With the fields of every answer, and a refusal in place of what `work` raises."""
        try:
            found = await work
        except HttpError as trouble:
            found = _refusal(ask, trouble)
        except PoolFull:
            found = _refusal(
                ask, HttpError(503, "Too many requests wait to be worked on; try again.", ("Retry-After", "1"))
            )
        except CancelledError:
            raise
        except Damaged as damage:
            _log.error("%s: %s", ask.path, damage)
            found = _refusal(ask, HttpError(500, DAMAGED))
        except StoreError as trouble:
            self._complaint.error("requests are answered with 503: %s", trouble)
            found = _refusal(ask, HttpError(503, UNAVAILABLE))
        except Exception:  # noqa: BLE001 (whatever a page raises is ours to mend, and none of the client's business)
            _log.exception("a bug: %s", ask.path)
            found = _refusal(ask, HttpError(500, "Something went wrong here. The server's log says what."))
        if isinstance(found, Response):
            return replace(found, headers=(*GUARDS, *self._origins.fields(ask), *found.headers))
        return found

    def logged_out(self, ask: Request) -> Response:
        """The answer to a request whose login does not hold any longer."""
        refusal = _refusal(ask, HttpError(401, "The session has ended; log in again."))
        return replace(refusal, headers=(*GUARDS, *self._origins.fields(ask), *refusal.headers))

    def _outside(self, ask: Request) -> Response:
        """To who is not below the root: he is led there from it, whatever else he wants."""
        root = "/" + "/".join(self._root) + "/"
        if ask.segments == self._root and ask.method in SAFE:
            return Response(b"", "", 308, (*GUARDS, ("Location", root)))
        return plain(f"There is nothing here; the front page is at {root}", 404, *GUARDS)

    async def _entered(self, ask: Request) -> AuthorizedRequest | Response:
        if not self._is_ours(ask.host):
            # RFC 9110 §15.5.20
            raise HttpError(421, "This server does not answer to that name; [web] hosts may name it.")
        routes = self.routes.at(ask.segments)
        if not routes:
            raise HttpError(404, "There is nothing here; the front page is at /")
        method = "GET" if ask.method == "HEAD" else ask.method
        if method not in routes:
            return self._about(ask, tuple(routes))
        if method not in SAFE or "upgrade" in ask.fields:
            self._origins.check(ask)
        route = routes[method]
        if route.access != "anyone":
            self._origins.check_look(ask)
            if not route.is_picture:
                self._origins.check_use(ask)
        visitor = User() if route.access == "anyone" else await self._doorkeeper.visitor(ask)
        if route.access == "admin" and not visitor.is_admin:
            raise HttpError(403, "This is for the administrators that [web] admins names.")
        return AuthorizedRequest(
            route, replace(ask, method=method, variables=variables(route, ask.segments), visitor=visitor)
        )

    async def _shown(self, entered: AuthorizedRequest) -> Response | Upgrade:
        route = entered.route
        page = route.page(entered.ask)
        # What changes something is not left half done because nobody waits for the answer.
        found = await (page if route.ends_with_client or entered.ask.method in SAFE else shielded(_of(page)))
        return _unchanged(entered.ask, found) if isinstance(found, Response) and found.etag else found

    def _about(self, ask: Request, methods: tuple[str, ...]) -> Response:
        """Which methods there are: to who asks for them, and to who asked for another."""
        allowed = ", ".join((*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS"))
        if ask.method == "OPTIONS":
            return Response(b"", "", 204, (("Allow", allowed), *self._origins.preflight(ask, allowed)))
        raise HttpError(405, f"This takes {allowed}.", ("Allow", allowed))

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts or host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


async def _of(page: Awaitable[T]) -> T:
    """The same as a coroutine."""
    return await page


def _refusal(ask: Request, trouble: HttpError) -> Response:
    if not ask.path.startswith(API):
        return plain(trouble.why, trouble.status, *trouble.headers)
    problem = {
        "title": HTTPStatus(trouble.status).phrase,
        "status": trouble.status,
        "detail": trouble.why,
        **trouble.facts,
    }
    return Response(msgspec.json.encode(problem), PROBLEM, trouble.status, trouble.headers)


def _unchanged(ask: Request, answer: Response) -> Response:
    """With its ETag; without the body for who has it already (RFC 9110 §13.1.2, §15.4.5)."""
    tag = f'"{answer.etag}"'
    had = [each.strip().removeprefix("W/") for each in ask.fields.get("if-none-match", "").split(",")]
    answer = replace(answer, headers=(*answer.headers, ("ETag", tag)))
    if answer.status == 200 and ask.method in ("GET", "HEAD") and (tag in had or "*" in had):
        return replace(answer, body=b"", status=304, size=None)
    return answer


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A caller that is cancelled hears CancelledError at once, and `work` goes on to its end."""
    waiting: Deferred[T] = Deferred()

    def end(result: T | Failure) -> None:
        if not waiting.called:
            waiting.callback(result)
        elif isinstance(result, Failure) and result.check(StoreError):
            _log.error("it failed after its client had gone: %s", result.getErrorMessage())
        elif isinstance(result, Failure) and not result.check(HttpError):
            _log.error("a bug: it failed after its client had gone", exc_info=result.value)

    Deferred.fromCoroutine(work).addBoth(end)
    return await waiting
