"""HTML of the pages that need no script: whole, escaped, with one style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from mailstack.web.http_values import Response

HTML = "text/html; charset=utf-8"
SHORT = 12
"""Characters: the name of a service, a port."""


def paper(title: str, parts: Iterable[str]) -> Response:
    """A page; the parts are HTML, empty ones are left out. Its links are relative, so that any path may hold it."""
    body = "\n".join(part for part in parts if part)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="style.css"></head>\n<body><main>\n{body}\n</main></body></html>\n'
    )
    return Response(page.encode(), HTML)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Texts in rows."""
    head = "".join(f"<th>{escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    """What is short is not broken, also where there is little room."""
    return f'<td class="short">{escape(text)}</td>' if len(text) <= SHORT else f"<td>{escape(text)}</td>"
