"""List-Unsubscribe and one-click unsubscription (RFC 2369 §3.2, RFC 8058)."""

from __future__ import annotations

import re

from msgspec import Struct

_TARGET = re.compile(r"<([^<>]*+)>")
_COMMENT = re.compile(r"\([^()]*+\)")
_ONE_CLICK = "list-unsubscribe=one-click"


class Unsubscribe(Struct, frozen=True):
    """What the fields say, and what is wrong with it."""

    field: str
    links: tuple[str, ...]
    post: str
    """List-Unsubscribe-Post as it stands; "" when it isn't there."""
    one_click: bool
    """One POST to the first https link is enough (RFC 8058 §3.1)."""
    faults: tuple[str, ...]


def unsubscribe(field: str, post: str) -> Unsubscribe:
    """From the text of both fields."""
    links = tuple(["".join(each.split()) for each in _TARGET.findall(field)][:100])
    faults: list[str] = []
    if not links:
        faults.append("List-Unsubscribe has no address in angle brackets")
    elif _COMMENT.sub("", _TARGET.sub("", field)).replace(",", "").strip():
        faults.append("List-Unsubscribe has more in it than addresses in angle brackets and commas between them")
    schemes = [each.partition(":")[0].lower() for each in links]
    for link, scheme in zip(links, schemes, strict=True):
        if scheme not in {"http", "https", "mailto"}:
            faults.append(f"List-Unsubscribe: {link[:200]!r} is neither http, https nor mailto")
    faults += [
        f"List-Unsubscribe has more than one {scheme} address: clients take the first"
        for scheme in ("http", "https", "mailto")
        if schemes.count(scheme) > 1
    ]
    said = "".join(post.split()).lower()
    if said and said != _ONE_CLICK:
        faults.append("List-Unsubscribe-Post is not List-Unsubscribe=One-Click")
    if said and "https" not in schemes:
        faults.append("List-Unsubscribe-Post needs an https address in List-Unsubscribe")
    return Unsubscribe(field, links, post, said == _ONE_CLICK and "https" in schemes, tuple(faults))
