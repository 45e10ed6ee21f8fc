"""Finds the page that a request is for, and refuses what is not for us."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from mailstack.web.asking import Answer, Ask, Page, Trouble, plain

_log = logging.getLogger(__name__)

GUARDS = (
    # No scripts, nothing from elsewhere, in nobody's frame.
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
"""Fields of every answer."""


class Shown(Struct, frozen=True):
    """A page and the methods that it knows; who knows GET knows HEAD."""

    page: Page
    methods: tuple[str, ...] = ("GET",)


class Site:
    """The pages of one office, by path."""

    def __init__(self, pages: Mapping[str, Shown], hosts: Iterable[str]) -> None:
        """`hosts` are the names that we answer to. An IP address, or localhost, is always one of them.

        A page of somebody else's, whose name is made to lead here (DNS rebinding), hears nothing: its Host is its own.
        """
        self._pages = dict(pages)
        self._hosts = frozenset(host.lower() for host in hosts)

    async def answer(self, ask: Ask) -> Answer:
        """What to say; never raises."""
        try:
            found = await self._found(ask)
        except Trouble as trouble:
            found = plain(trouble.why, trouble.status)
        except Exception:  # noqa: BLE001 (whatever a page raises is ours to mend, and none of the client's business)
            _log.exception("a bug: %s", ask.path)
            found = plain("Something went wrong here. The office's log says what.", 500)
        return replace(found, headers=(*GUARDS, *found.headers))

    async def _found(self, ask: Ask) -> Answer:
        if not self._is_ours(ask.host):
            # RFC 9110 §15.5.20
            raise Trouble(421, "This office does not answer to that name; [web] hosts may name it.")
        shown = self._pages.get(ask.path) or self._pages.get(ask.path.lower())
        if shown is None:
            raise Trouble(404, "There is nothing here; the front page is at /")
        method = "GET" if ask.method == "HEAD" else ask.method
        if method not in shown.methods:
            allowed = ", ".join((*shown.methods, *(("HEAD",) if "GET" in shown.methods else ())))
            return plain(f"This page takes {allowed}.", 405, ("Allow", allowed))
        return await shown.page(replace(ask, method=method))

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts or host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
