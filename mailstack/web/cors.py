"""Cross-origin policy: CORS headers, and rejection of requests from pages of other sites."""

from __future__ import annotations

from collections.abc import Iterable

from mailstack.web.http_messages import HttpError, Request

ALLOWED_HEADERS = "Authorization, Content-Type, Last-Event-ID"
PREFLIGHT_MAX_AGE = "600"
"""Seconds for which a browser caches a preflight response."""

_SUBRESOURCES = frozenset({"audio", "embed", "font", "image", "object", "script", "style", "track", "video"})
"""Values of Sec-Fetch-Dest (Fetch Metadata) for subresources that a browser loads without a script."""


class CorsPolicy:
    """Policy by the Origin and Sec-Fetch-Site fields of browsers; requests without these fields are allowed."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed`: origins with access, for example "http://localhost:3000"."""
        self._allowed = frozenset(origin.lower().rstrip("/") for origin in allowed)

    def check(self, request: Request) -> None:
        """Reject a write request of another site's page (CSRF). Raises HttpError 403."""
        origin = request.fields.get("origin", "").lower()
        if origin in self._allowed:
            return
        scheme = "https" if request.is_secure else "http"
        # A proxy in front may have terminated TLS.
        ours = {f"{scheme}://{request.authority}", f"https://{request.authority}"}
        if (origin and origin not in ours) or request.fields.get("sec-fetch-site", "none") not in {
            "same-origin",
            "none",
        }:
            raise HttpError(403, "Cross-origin requests may not do this; allow the origin in [web] cors.")

    def check_look(self, request: Request) -> None:
        """Reject a read request of another site's page. Raises HttpError 403.

        The page can't read the response, but the request could mark a letter as read, check links, occupy a stream or
        leak by its timing. Navigation to this site is allowed.
        """
        site, mode = request.fields.get("sec-fetch-site", "none"), request.fields.get("sec-fetch-mode", "")
        if site in {"cross-site", "same-site"} and mode != "navigate":
            if request.fields.get("origin", "").lower() in self._allowed:
                return
            raise HttpError(403, "Cross-origin requests may not read this; allow the origin in [web] cors.")

    def check_use(self, request: Request) -> None:
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
