"""Safe HTML of letters for browsers, and safe responses with their parts."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from mailstack.letter.parsed import ParsedLetter, Part
from mailstack.web.http_messages import Response

_REFERENCE = re.compile(r"cid:([^\s\"'<>()]{1,998})", re.IGNORECASE)
NOTHING_REMOTE = "img-src data: 'self'; style-src 'unsafe-inline'; font-src data:; media-src 'self'"
REMOTE = "img-src data: https: http: 'self'; style-src 'unsafe-inline' https: http:; font-src data: https: http:; media-src https: http: 'self'"

_FRAMES = r"(?=(?:iframe|frame|object|embed|portal)[\t\n\f\r />])"
_INNER, _INNER_END = re.compile(f"<{_FRAMES}", re.IGNORECASE), re.compile(f"</{_FRAMES}", re.IGNORECASE)
"""Tags of frames (HTML §13.2.5.6). The policy blocks their content, but browsers may still connect to its host."""

_LEADS_AWAY = re.compile(
    r"<(?=meta[\t\n\f\r />])(?!meta\s{1,9}(?:charset=|name=[\"']?(?:viewport|color-scheme|supported-color-schemes)[\"']?\s{1,9}"
    r"content=)[\"'][^\"'<>]{0,200}[\"']\s{0,9}/?>)",
    re.IGNORECASE,
)
"""Tags of meta elements, except harmless ones: a refresh navigates the frame to another host despite the policy."""
_HINT = re.compile(r"<(?=link[\t\n\f\r />])", re.IGNORECASE)
"""Tags of link elements: resource hints make a browser connect to a host despite the policy."""


def policy(*, remote: bool) -> str:
    """Return the Content-Security-Policy, which never allows a script, a form or a frame.

    The frame has the page's origin, because its images have Cross-Origin-Resource-Policy. Without scripts that is
    harmless.
    """
    policy = REMOTE if remote else NOTHING_REMOTE
    return f"default-src 'none'; {policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"


def html_page(reading: ParsedLetter, parts: str, *, remote: bool = False) -> Response:
    """Return the HTML of a letter for a frame of the inbox.

    `parts` is the relative URL of the parts, for `cid:` references.
    `remote` allows images, styles and fonts of other hosts.
    """
    page = html_of(reading, parts, remote=remote).encode()
    return Response(page, "text/html; charset=utf-8", 200, (("Content-Security-Policy", policy(remote=remote)),))


def html_of(reading: ParsedLetter, parts: str, *, remote: bool = False) -> str:
    """Return the HTML with resolved `cid:` references (RFC 2392), without tags that connect despite the policy."""
    numbers = {part.content_id.lower(): part.number for part in reading.tree.walk() if part.content_id}

    def path(found: re.Match[str]) -> str:
        number = numbers.get(unquote(found[1]).lower())
        return f"{parts}{number}" if number else found[0]

    html = _REFERENCE.sub(path, reading.html) if numbers else reading.html
    html = _INNER_END.sub("</blocked-", _INNER.sub("<blocked-", html))
    html = _LEADS_AWAY.sub("<blocked-", html)
    return html if remote else _HINT.sub("<blocked-", html)


INLINE_TYPES = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "text/plain"}
)
INLINE_TYPE_PREFIXES = ("audio/", "video/")
"""Prefixes of media types that a browser may display; all other types are downloads."""
ACTIVE_TYPES = re.compile(r"html|xml|svg|script|multipart|x-mixed", re.IGNORECASE)
"""Media types that a browser might execute; they are sent as application/octet-stream."""
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}\Z")
_PLAIN = re.compile(r"[^A-Za-z0-9._ -]")
_GUARD = ("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'self'")


def part_response(part: Part, octets: bytes) -> Response:
    """Return the decoded octets of a part, to be displayed or downloaded under its name."""
    kind = part.type if _TYPE.match(part.type) and not ACTIVE_TYPES.search(part.type) else "application/octet-stream"
    is_shown = kind in INLINE_TYPES or kind.startswith(INLINE_TYPE_PREFIXES)
    media_type = f"text/plain; charset={_charset(part)}" if kind == "text/plain" else kind
    name = part.name or f"part-{part.number}"
    plain = _PLAIN.sub("_", name)[:100]
    disposition = f"{'inline' if is_shown else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return Response(octets, media_type, 200, (("Content-Disposition", disposition), _GUARD))


def _charset(part: Part) -> str:
    """Return the charset of a part if it is a valid name, else UTF-8."""
    return part.charset if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", part.charset) else "utf-8"
