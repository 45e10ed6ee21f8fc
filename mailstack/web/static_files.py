"""Static files of the web pages, with ETag and gzip."""

from __future__ import annotations

import gzip
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from mailstack.web.http_messages import Request, Response
from mailstack.web.routes import HttpRoute

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
COMPRESS_FROM = 1024
"""Minimum octets of a text file that is compressed."""
_TEXTS = ("text/", "application/json", "image/svg")


class StaticFile:
    """One file; it is read, hashed and compressed at the first request."""

    def __init__(self, file: Traversable, *headers: tuple[str, str], media_type: str = "") -> None:
        """`headers` are added to the response, for example a Content-Security-Policy."""
        suffix = file.name[file.name.rfind(".") :]
        self._file = file
        self._media_type = media_type or MEDIA_TYPES[suffix]
        # Browsers revalidate each time; an unchanged file costs a 304.
        self._headers = (("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding"), *headers)
        self._plain: bytes | None = None
        self._gzipped = b""
        self._etag = ""

    async def page(self, request: Request) -> Response:
        if self._plain is None:
            self._read()
        assert self._plain is not None
        takes = [each.split(";")[0].strip() for each in request.fields.get("accept-encoding", "").split(",")]
        if self._gzipped and "gzip" in takes:
            headers = (*self._headers, ("Content-Encoding", "gzip"))
            return Response(self._gzipped, self._media_type, 200, headers, etag=f"{self._etag}-gzip")
        return Response(self._plain, self._media_type, 200, self._headers, etag=self._etag)

    def _read(self) -> None:
        octets = self._file.read_bytes()
        self._etag = sha256(octets).hexdigest()[:32]
        if len(octets) >= COMPRESS_FROM and self._media_type.startswith(_TEXTS):
            self._gzipped = gzip.compress(octets, mtime=0)
        self._plain = octets


def static_routes(folder: Traversable, prefix: str, *headers: tuple[str, str]) -> tuple[HttpRoute, ...]:
    """Return a route for each file of the folder with a known suffix, at `prefix` and its name."""
    names = sorted(each.name for each in folder.iterdir() if each.name[each.name.rfind(".") :] in MEDIA_TYPES)
    return tuple(HttpRoute("GET", prefix + name, StaticFile(folder.joinpath(name), *headers).page) for name in names)


_RULES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
POLICY = ("Content-Security-Policy", _RULES)
"""Policy of the inbox: only its own files are scripts and styles. The HTML of a letter is a frame with its own policy."""


def inbox_routes() -> tuple[HttpRoute, ...]:
    """Return the routes of the inbox at `/` and of its scripts and styles."""
    folder = files("mailstack.web").joinpath("pages")
    index = StaticFile(folder.joinpath("index.html"), POLICY)
    return (HttpRoute("GET", "/", index.page), *static_routes(folder, "/pages/", POLICY))
