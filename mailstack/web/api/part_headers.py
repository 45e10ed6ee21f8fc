"""How a part of a letter may be shown: nothing in it ever runs under our name."""

from __future__ import annotations

import re
from urllib.parse import quote

from mailstack.letter.parsed import Part
from mailstack.web.http_values import Response

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
