"""HTML of a letter as a page without frames."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st

from mailstack.letter.parsed import parse
from mailstack.web.safe_html import html_of

PIECES = (
    "<", "</", "iframe", "IFRAME", "frame", "object", "embed", " src=https://far.test/", "/", ">", "\t", "\n",
    "\f", "x", "<!--", "-->", '"',
)  # fmt: skip


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)


def shown(html: str) -> str:
    head = b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return html_of(parse(head + html.encode()), "parts/")


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("<iframe src=https://far.test/>")
@example("<p><IFrame\tsrcdoc='<iframe src=x>'></p>")
def test_no_frame_is_left(html: str) -> None:
    assert not {"iframe", "frame", "object", "embed", "portal"} & set(Tags(shown(html)).names)


def test_other_tags_are_unchanged() -> None:
    html = "<p class=frame>an <b>object</b> of <framework>x</framework> &lt;iframe&gt;</p>"
    assert html in shown(html)
