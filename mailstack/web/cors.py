"""Which pages of other sites may ask: none may change anything here, and none reads, but those that the operator names."""

from __future__ import annotations

from collections.abc import Iterable

from mailstack.web.http_values import HttpError, Request

MAY_SEND = "Authorization, Content-Type, Last-Event-ID"
REMEMBERED = "600"
"""Seconds for which a browser believes a preflight."""

_WITHIN_A_PAGE = frozenset({"audio", "embed", "font", "image", "object", "script", "style", "track", "video"})
"""What a browser fetches for a page by itself (Fetch Metadata, Sec-Fetch-Dest), and no script of ours asks for."""


class Origins:
    """A browser says whose page it asks for, in Origin and Sec-Fetch-Site; programs of one's own say nothing."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed`: origins, as "http://localhost:3000"."""
        self._allowed = frozenset(origin.lower().rstrip("/") for origin in allowed)

    def check(self, ask: Request) -> None:
        """Raises Trouble 403 when a page of another site asks to change something (CSRF)."""
        origin = ask.fields.get("origin", "").lower()
        if origin in self._allowed:
            return
        scheme = "https" if ask.is_secure else "http"
        # A proxy in front may have taken TLS off.
        ours = {f"{scheme}://{ask.authority}", f"https://{ask.authority}"}
        if (origin and origin not in ours) or ask.fields.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise HttpError(403, "Pages of other sites may not do that; [web] cors may allow them.")

    def check_look(self, ask: Request) -> None:
        """Raises Trouble 403 when a page of another site asks for what it could not read: it wants what comes of asking.

        That is a letter marked as read, links that are tried, a place among those that wait, or how long an answer takes.
        A link that somebody follows to us is none of that.
        """
        site, mode = ask.fields.get("sec-fetch-site", "none"), ask.fields.get("sec-fetch-mode", "")
        if site in {"cross-site", "same-site"} and mode != "navigate":
            if ask.fields.get("origin", "").lower() in self._allowed:
                return
            raise HttpError(403, "Pages of other sites may not ask for that; [web] cors may allow them.")

    def check_use(self, ask: Request) -> None:
        """Raises Trouble 403 when it is wanted as a picture, or the like, of a page.

        The HTML of a letter is a page of ours to a browser. Its pictures may be the letter's parts, but must not mark
        letters as read, have links tried, or wait in all the connections that the browser has for us.
        """
        if ask.fields.get("sec-fetch-dest", "") in _WITHIN_A_PAGE:
            raise HttpError(403, "This is no picture for a page.")

    def fields(self, ask: Request) -> tuple[tuple[str, str], ...]:
        """For the answer to a page that may read it. No cookie goes with it, for ours are SameSite=Strict."""
        origin = ask.fields.get("origin", "")
        if not self._allowed:
            return ()
        if origin.lower() not in self._allowed:
            return (("Vary", "Origin"),)
        return (
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            ("Cross-Origin-Resource-Policy", "cross-origin"),
        )

    def preflight(self, ask: Request, methods: str) -> tuple[tuple[str, str], ...]:
        """What such a page may do (Fetch standard, CORS protocol)."""
        if ask.fields.get("origin", "").lower() not in self._allowed:
            return ()
        return (
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", MAY_SEND),
            ("Access-Control-Max-Age", REMEMBERED),
        )
