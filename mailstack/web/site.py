"""Web site: dispatches requests to pages and checks host, origin, login and access."""

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
from mailstack.protocols.log import RateLimitedLog
from mailstack.protocols.sasl import Sessions
from mailstack.store import Damaged, StoreError
from mailstack.web.http_messages import (
    PROBLEM,
    HttpError,
    HttpRoute,
    Request,
    Response,
    RouteTable,
    Upgrade,
    User,
    path_variables,
    text_response,
)

_log = logging.getLogger(__name__)

T = TypeVar("T")

ALLOWED_HEADERS = "Authorization, Content-Type, Last-Event-ID"

PREFLIGHT_MAX_AGE = "600"
"""Seconds for which a browser caches a preflight response."""

_SUBRESOURCES = frozenset({"audio", "embed", "font", "image", "object", "script", "style", "track", "video"})
"""Values of Sec-Fetch-Dest (Fetch Metadata) for subresources that a browser loads without a script."""

SECURITY_HEADERS = (
    # No scripts, no other origins, no frames.
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    # A link may have a host name that is unique to its reader: a DNS prefetch would reveal that the letter was read.
    ("X-DNS-Prefetch-Control", "off"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
"""Header fields of each response, unless the page sets its own."""

API_ROOT = "/v1/"
"""Path prefix of JSON error responses (RFC 9457)."""

DAMAGED = "The stored content of this message is damaged. See the server's log, and restore it from a backup."

UNAVAILABLE = "The store is not available at present. See the server's log, and try again later."

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Safe methods (RFC 9110 §9.2.1)."""


class AuthorizedRequest(Struct, frozen=True):
    """Request that passed all checks before its page."""

    route: HttpRoute
    request: Request
    """Request with its user and path variables."""


class RequestAuthenticator(Protocol):
    """Authenticates requests; `mailstack.web.login` does so with passwords."""

    async def authenticate(self, request: Request) -> User:
        """Return the user of a request. Raises HttpError 401 or 403."""


class DenyAll:
    """RequestAuthenticator without accounts: it rejects each request."""

    async def authenticate(self, request: Request) -> User:
        """Raises HttpError 403."""
        raise HttpError(403, f"{request.path} requires a login, and this server has no accounts for it.")


class AllowAll:
    """RequestAuthenticator of a dev environment on loopback: each request has administrator access."""

    async def authenticate(self, _: Request) -> User:
        return User(is_admin=True)


class Site:
    """Pages of one server, by path."""

    def __init__(
        self,
        routes: Iterable[HttpRoute],
        hosts: Iterable[str] | None,
        *,
        authenticator: RequestAuthenticator | None = None,
        cors: CorsPolicy | None = None,
        root: str = "/",
        sessions: Sessions | None = None,
        host_advice: str = "add it to [web] hosts",
    ) -> None:
        """`hosts` are the accepted names in the Host field, beside localhost and IP addresses. `root` prefixes all routes.

        The check of Host prevents DNS rebinding; None accepts all names. `host_advice` completes the error for an
        unknown name. `sessions` registers authenticated requests.
        """
        self.routes = RouteTable(routes)
        self.sessions = sessions
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._host_advice = host_advice
        self._authenticator = authenticator or DenyAll()
        self._cors = cors or CorsPolicy()
        self._store_errors = RateLimitedLog(_log, time.monotonic)
        self._root = tuple(part for part in root.split("/") if part)

    def accepts_large(self, method: str, segments: tuple[str, ...]) -> bool:
        """Whether the route accepts a body of the size of a letter."""
        inside = self._segments_below_root(segments)
        route = None if inside is None else self.routes.lookup(inside).get(method)
        return route is not None and route.is_large

    def _segments_below_root(self, segments: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the segments below the root; None outside it."""
        depth = len(self._root)
        return segments[depth:] if segments[:depth] == self._root and len(segments) > depth else None

    async def respond(self, request: Request) -> Response | Upgrade:
        """Return the response; raises only CancelledError."""
        authorized = await self.authorize(request)
        return authorized if isinstance(authorized, Response) else await self.render(authorized)

    async def authorize(self, request: Request) -> AuthorizedRequest | Response:
        """Run the checks that do not need the body. Return the authorized request or an error response."""
        if self._root:
            inside = self._segments_below_root(request.segments)
            if inside is None:
                return self._response_outside(request)
            request = replace(request, path="/" + "/".join(inside), parts=inside)
        return await self._with_errors(request, self._authorized(request))

    async def render(self, authorized: AuthorizedRequest) -> Response | Upgrade:
        """Return the response of the page to a complete request; raises only CancelledError."""
        return await self._with_errors(authorized.request, self._rendered_page(authorized))

    async def _with_errors(self, request: Request, work: Awaitable[T | Response]) -> T | Response:
        """Await `work`, convert exceptions to error responses, and add the security headers."""
        try:
            found = await work
        except HttpError as error:
            found = _error_response(request, error)
        except PoolFull:
            found = _error_response(
                request, HttpError(503, "Too many requests are waiting; try again later.", ("Retry-After", "1"))
            )
        except CancelledError:
            raise
        except Damaged as damage:
            _log.error("%s: %s", request.path, damage)
            found = _error_response(request, HttpError(500, DAMAGED))
        except StoreError as error:
            self._store_errors.error("503 Service Unavailable: %s", error)
            found = _error_response(request, HttpError(503, UNAVAILABLE))
        except Exception:  # noqa: BLE001 (a bug in a page must not end the connection)
            _log.exception("internal error: %s", request.path)
            found = _error_response(request, HttpError(500, "Internal server error. See the server's log."))
        return self._with_headers(request, found) if isinstance(found, Response) else found

    def _with_headers(self, request: Request, response: Response) -> Response:
        return replace(response, headers=(*SECURITY_HEADERS, *self._cors.fields(request), *response.headers))

    def logged_out(self, request: Request) -> Response:
        """Return the response to a request after its login was revoked."""
        return self._with_headers(
            request, _error_response(request, HttpError(401, "The session has ended; log in again."))
        )

    def _response_outside(self, request: Request) -> Response:
        """Return the response outside the root: a redirect from the root itself, else 404."""
        root = "/" + "/".join(self._root) + "/"
        if request.segments == self._root and request.method in SAFE_METHODS:
            return Response(b"", "", 308, (*SECURITY_HEADERS, ("Location", root)))
        return text_response(f"Not found; the front page is at {root}", 404, *SECURITY_HEADERS)

    async def _authorized(self, request: Request) -> AuthorizedRequest | Response:
        if not self._is_own_host(request.host):
            # RFC 9110 §15.5.20
            raise HttpError(421, f"Unknown host name; {self._host_advice}.")
        routes = self.routes.lookup(request.segments)
        if not routes:
            raise HttpError(404, "Not found; the front page is at /")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in routes:
            return self._method_response(request, tuple(routes))
        if method not in SAFE_METHODS or "upgrade" in request.fields:
            self._cors.check_write(request)
        route = routes[method]
        if route.access != "public":
            self._cors.check_read(request)
            if not route.is_picture:
                self._cors.check_subresource(request)
        user = User() if route.access == "public" else await self._authenticator.authenticate(request)
        if route.access == "admin" and not user.is_admin:
            raise HttpError(403, "Only administrators ([web] admins) may do this.")
        return AuthorizedRequest(
            route, replace(request, method=method, variables=path_variables(route, request.segments), user=user)
        )

    async def _rendered_page(self, authorized: AuthorizedRequest) -> Response | Upgrade:
        route = authorized.route
        page = route.page(authorized.request)
        # A write finishes even if the client disconnects.
        found = await (
            page if route.ends_with_client or authorized.request.method in SAFE_METHODS else shielded(_awaited(page))
        )
        return _conditional(authorized.request, found) if isinstance(found, Response) and found.etag else found

    def _method_response(self, request: Request, methods: tuple[str, ...]) -> Response:
        """Respond to OPTIONS and to methods without a route."""
        allowed = ", ".join((*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS"))
        if request.method == "OPTIONS":
            return Response(b"", "", 204, (("Allow", allowed), *self._cors.preflight(request, allowed)))
        raise HttpError(405, f"Method not allowed; allowed methods: {allowed}.", ("Allow", allowed))

    def _is_own_host(self, host: str) -> bool:
        if self._hosts is None or host in self._hosts or host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


async def _awaited(page: Awaitable[T]) -> T:
    """Return the result of an awaitable, as a coroutine."""
    return await page


def _error_response(request: Request, error: HttpError) -> Response:
    if not request.path.startswith(API_ROOT):
        return text_response(error.reason, error.status, *error.headers)
    problem = {"title": HTTPStatus(error.status).phrase, "status": error.status, "detail": error.reason, **error.facts}
    return Response(msgspec.json.encode(problem), PROBLEM, error.status, error.headers)


def _conditional(request: Request, response: Response) -> Response:
    """Add the ETag; return 304 without the body if the client has it (RFC 9110 §13.1.2, §15.4.5)."""
    tag = f'"{response.etag}"'
    had = [each.strip().removeprefix("W/") for each in request.fields.get("if-none-match", "").split(",")]
    response = replace(response, headers=(*response.headers, ("ETag", tag)))
    if response.status == 200 and request.method in ("GET", "HEAD") and (tag in had or "*" in had):
        return replace(response, body=b"", status=304, size=None)
    return response


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`, which runs to its end even if the caller is cancelled."""
    waiting: Deferred[T] = Deferred()

    def end(result: T | Failure) -> None:
        if not waiting.called:
            waiting.callback(result)
        elif isinstance(result, Failure) and result.check(StoreError):
            _log.error("a request failed after its client disconnected: %s", result.getErrorMessage())
        elif isinstance(result, Failure) and not result.check(HttpError):
            _log.error("internal error: a request failed after its client disconnected", exc_info=result.value)

    Deferred.fromCoroutine(work).addBoth(end)
    return await waiting


class CorsPolicy:
    """Policy by the Origin and Sec-Fetch-Site fields of browsers; requests without these fields are allowed."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed`: origins with access, for example "http://localhost:3000"."""
        self._allowed = frozenset(origin.lower().rstrip("/") for origin in allowed)

    def check_write(self, request: Request) -> None:
        """Reject a write request of another site's page (CSRF). Raises HttpError 403."""
        origin = request.fields.get("origin", "").lower()
        if origin in self._allowed:
            return
        scheme = "https" if request.is_secure else "http"
        # A proxy in front may have terminated TLS.
        own = {f"{scheme}://{request.authority}", f"https://{request.authority}"}
        if (origin and origin not in own) or request.fields.get("sec-fetch-site", "none") not in {
            "same-origin",
            "none",
        }:
            raise HttpError(403, "Cross-origin requests may not do this; allow the origin in [web] cors.")

    def check_read(self, request: Request) -> None:
        """Reject a read request of another site's page. Raises HttpError 403.

        The page can't read the response, but the request could mark a letter as read, check links, occupy a stream or
        leak by its timing. Navigation to this site is allowed.
        """
        site, mode = request.fields.get("sec-fetch-site", "none"), request.fields.get("sec-fetch-mode", "")
        if site in {"cross-site", "same-site"} and mode != "navigate":
            if request.fields.get("origin", "").lower() in self._allowed:
                return
            raise HttpError(403, "Cross-origin requests may not read this; allow the origin in [web] cors.")

    def check_subresource(self, request: Request) -> None:
        """Reject a request for an image or another subresource of a page. Raises HttpError 403.

        For a browser, the HTML of a letter belongs to this site. Its images may be parts of the letter. They must not mark
        letters as read, check links, or occupy the browser's connections.
        """
        if request.fields.get("sec-fetch-dest", "") in _SUBRESOURCES:
            raise HttpError(403, "This resource may not be loaded as an image, style or script.")

    def fields(self, request: Request) -> tuple[tuple[str, str], ...]:
        """Return the CORS fields of a response. Cookies are never sent across origins: they are SameSite=Strict."""
        origin = request.fields.get("origin", "")
        if not self._allowed:
            return ()
        if origin.lower() not in self._allowed:
            return (("Vary", "Origin"),)
        return (
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            ("Cross-Origin-Resource-Policy", "cross-origin"),
        )

    def preflight(self, request: Request, methods: str) -> tuple[tuple[str, str], ...]:
        """Return the fields of a preflight response (Fetch standard, CORS protocol)."""
        if request.fields.get("origin", "").lower() not in self._allowed:
            return ()
        return (
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", ALLOWED_HEADERS),
            ("Access-Control-Max-Age", PREFLIGHT_MAX_AGE),
        )
