"""Links of a message: web and mailto, each once, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from mailstack.letter.parsed import html as hypertext

_BEGINS = re.compile(r"(?<![\w.+-])(?:https?://|mailto:)", re.IGNORECASE)
_IN_TEXT = re.compile(r"https?://[^\s<>\"'`{}|\\^]{1,4000}|mailto:[^\s<>\"'`{}|\\^]{3,1000}", re.IGNORECASE)
_LONGEST_BEGIN = len("https://")
_AT_ONCE = 65_536
"""Characters in which one begins that are looked through in one go: meanwhile no other thread runs."""
_FOLLOWED = re.compile(r"(?:https?://[^/?#\s]|mailto:\S)", re.IGNORECASE)
_LONGEST = 8000
_ENDING = ".,;:!?*_~"
_MOST_RUNS = 50
"""Rows of closing brackets at the end of an address that are taken for the sentence's around it."""
_CLOSING = {")": "(", "]": "["}


class Link(Struct, frozen=True):
    """Where a letter points to."""

    url: str
    kind: str
    """"href" (what one may follow), "src" (what is fetched to show the letter), or "text" (written in the text)."""


def links_of(text: str, html: str, most: int, *, looked_at: int = 10_000) -> tuple[Link, ...]:
    """Those of the HTML first, then what only the text has; of so many addresses that are looked at."""
    found: dict[str, Link] = {}
    for kind, url in islice(_all(text, html), looked_at):
        if len(url) <= _LONGEST and url not in found and _FOLLOWED.match(url):
            found[url] = Link(url, kind)
            if len(found) >= most:
                break
    return tuple(found.values())


def _all(text: str, html: str) -> Iterator[tuple[str, str]]:
    yield from hypertext.addresses(html)
    for url in _written(text):
        yield "text", _without_end(url)


def _written(text: str) -> Iterator[str]:
    """Addresses in a text; "" for what only begins as one."""
    at = 0
    while at < len(text):
        begins = _BEGINS.search(text, at, at + _AT_ONCE + _LONGEST_BEGIN)
        found = _IN_TEXT.match(text, begins.start()) if begins else None
        if found:
            yield found[0]
            at = found.end()
        elif begins:
            yield ""
            at = begins.end()
        else:
            at += _AT_ONCE


def _without_end(url: str) -> str:
    """Less the signs that end the sentence around it; a bracket belongs to it if it was opened within it."""
    # How many are closed more often than opened, counted once: there may be thousands of them.
    left = {closing: url.count(closing) - url.count(opening) for closing, opening in _CLOSING.items()}
    for _ in range(_MOST_RUNS):
        url = url.rstrip(_ENDING)
        closing = url[-1:]
        taken = min(len(url) - len(url.rstrip(closing)), left[closing]) if closing in _CLOSING else 0
        if taken <= 0:
            break
        left[closing] -= taken
        url = url[:-taken]
    return url
