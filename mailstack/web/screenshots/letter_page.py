"""HTML page of a letter for screenshots, and its parts by URL."""

from __future__ import annotations

import html
from collections.abc import Callable

from msgspec import Struct

from mailstack.letter.parsed import ParsedLetter
from mailstack.web.http_messages import Response
from mailstack.web.safe_html import html_page, part_response, policy

ORIGIN = "http://message.invalid/"
"""URL of the page; no host has it (RFC 2606 §2)."""
_PARTS = "parts/"

_TEXT = """<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<style>body {{ margin: 16px }} pre {{ font: 14px/1.5 monospace; white-space: pre-wrap; overflow-wrap: anywhere }}</style>
<pre dir="auto">{}</pre>"""


class LetterPage(Struct, frozen=True):
    page: Response
    part: Callable[[str], Response | None]
    """Part with this number; None if there is none."""

    def response_to(self, url: str) -> Response | None:
        """Response to a request of the browser; None for everything but the page and its parts."""
        if url == ORIGIN:
            return self.page
        return self.part(url.removeprefix(ORIGIN + _PARTS)) if url.startswith(ORIGIN + _PARTS) else None


def letter_page(reading: ParsedLetter) -> LetterPage:
    """Page of a letter as the inbox shows it, without remote content; the text of a letter without HTML."""

    def part(number: str) -> Response | None:
        found = reading.part(number)
        return None if found is None or found.is_multipart else part_response(found, reading.content_of(found))

    if reading.html:
        return LetterPage(html_page(reading, _PARTS), part)
    text = _TEXT.format(html.escape(reading.text or reading.readable))
    fields = (("Content-Security-Policy", policy(remote=False)),)
    return LetterPage(Response(text.encode(errors="replace"), "text/html; charset=utf-8", 200, fields), part)
