"""HTML of a letter as a page of its own: no script, no frame, nothing remote unless asked for."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from mailstack.letter.parsed import ParsedLetter, Part
from mailstack.web.http_values import Response

_REFERENCE = re.compile(r"cid:([^\s\"'<>()]{1,998})", re.IGNORECASE)
NOTHING_REMOTE = "img-src data: 'self'; style-src 'unsafe-inline'; font-src data:; media-src 'self'"
REMOTE = "img-src data: https: http: 'self'; style-src 'unsafe-inline' https: http:; font-src data: https: http:; media-src https: http: 'self'"


_FRAMES = r"(?=(?:iframe|frame|object|embed|portal)[\t\n\f\r />])"
_INNER, _INNER_END = re.compile(f"<{_FRAMES}", re.IGNORECASE), re.compile(f"</{_FRAMES}", re.IGNORECASE)
"""Tags of frames, as HTML's tokenizer knows them (§13.2.5.6). The policy blocks what they want, but browsers connect to its host all the same."""


_LEADS_AWAY = re.compile(
    r"<(?=meta[\t\n\f\r />])(?!meta\s{1,9}(?:charset=|name=[\"']?(?:viewport|color-scheme|supported-color-schemes)[\"']?\s{1,9}"
    r"content=)[\"'][^\"'<>]{0,200}[\"']\s{0,9}/?>)",
    re.IGNORECASE,
)
"""Every meta but what only says how to show the page: a refresh takes the frame to another host, whatever the policy is."""
_HINT = re.compile(r"<(?=link[\t\n\f\r />])", re.IGNORECASE)
"""Some links have a browser connect to a host ahead of need, which no policy keeps it from."""


def policy(*, remote: bool) -> str:
    """The Content-Security-Policy: never a script, a form or a frame.

    It keeps its origin, for its images are behind Cross-Origin-Resource-Policy; without scripts nothing can use it.
    """
    shown = REMOTE if remote else NOTHING_REMOTE
    return f"default-src 'none'; {shown}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"


def html_page(reading: ParsedLetter, parts: str, *, remote: bool = False) -> Response:
    """HTML of the letter, safe to show in a frame of the inbox.

    `parts` is the relative URL below which each part has its number; `cid:` references lead there.
    With `remote`, pictures, styles and fonts of other hosts are loaded.
    """
    page = html_of(reading, parts, remote=remote).encode()
    return Response(page, "text/html; charset=utf-8", 200, (("Content-Security-Policy", policy(remote=remote)),))


def html_of(reading: ParsedLetter, parts: str, *, remote: bool = False) -> str:
    """HTML with `cid:` references (RFC 2392) below `parts`, without elements that connect in spite of the policy."""
    numbers = {part.content_id.lower(): part.number for part in reading.tree.walk() if part.content_id}

    def path(found: re.Match[str]) -> str:
        number = numbers.get(unquote(found[1]).lower())
        return f"{parts}{number}" if number else found[0]

    html = _REFERENCE.sub(path, reading.html) if numbers else reading.html
    html = _INNER_END.sub("</blocked-", _INNER.sub("<blocked-", html))
    html = _LEADS_AWAY.sub("<blocked-", html)
    return html if remote else _HINT.sub("<blocked-", html)


SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "text/plain"})
SHOWN_KINDS = ("audio/", "video/")
"""What a browser may show by itself; everything else is to be saved."""
ACTIVE = re.compile(r"html|xml|svg|script|multipart|x-mixed", re.IGNORECASE)
"""Types that a browser might run, whatever it is told: they get another name."""
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}\Z")
_PLAIN = re.compile(r"[^A-Za-z0-9._ -]")
_GUARD = ("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'self'")


def disposed(part: Part, octets: bytes) -> Response:
    """The decoded octets, with the name that the part has."""
    kind = part.type if _TYPE.match(part.type) and not ACTIVE.search(part.type) else "application/octet-stream"
    is_shown = kind in SHOWN or kind.startswith(SHOWN_KINDS)
    media_type = f"text/plain; charset={_charset(part)}" if kind == "text/plain" else kind
    name = part.name or f"part-{part.number}"
    plain = _PLAIN.sub("_", name)[:100]
    disposition = f"{'inline' if is_shown else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return Response(octets, media_type, 200, (("Content-Disposition", disposition), _GUARD))


def _charset(part: Part) -> str:
    """The one that the part names, if it is a name."""
    return part.charset if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", part.charset) else "utf-8"
