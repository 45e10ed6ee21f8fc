"""HTML tokenizer: the words and links of a message, in linear time.

It builds no tree, because hostile nesting would make that quadratic.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from itertools import islice

_AT_ONCE = 8192
"""Characters of a text, or pieces of attributes, per match; a match blocks other threads."""
_COMMENT = "<!--"
_REST = rf"(?:[^>\"'=]++|=++(?:\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)))?+|[\"']){{0,{_AT_ONCE}}}+(?P<end>>|\Z)?"
# Alternatives are possessive against backtracking. A text is never cut within a character reference.
_TOKEN = re.compile(
    rf"<(?P<close>/?)(?P<tag>[a-zA-Z][^\s/>]{{0,60}}+){_REST}"
    r"|<[!?/][^>]*+(?:>|\Z)"
    rf"|(?P<text>(?:[^<]|<(?![a-zA-Z/!?])){{1,{_AT_ONCE}}}+[^<&;\s]{{0,40}}+;?|<)",
    re.DOTALL,
)
_MORE = re.compile(_REST, re.DOTALL)
_MAX_ATTRIBUTES = 100_000
"""Maximum attributes of one text."""
_MAX_BEFORE_ALT = 20
"""Maximum attributes of an image before its alt text."""
_MAX_STYLE = 4096
"""Maximum characters of a style attribute."""
_MAX_VALUE = 65_536
"""Maximum characters of an attribute with references; longer ones are data URLs."""
_ATTRIBUTE = re.compile(r"([^\s=/>\"']{1,60}+)(?:\s*+=\s*+(\"[^\"]*+|'[^']*+|[^\s>]*+))?", re.DOTALL)
_HUGE = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{7,});?")
_SPACES = re.compile(r"[ \t]+")
_STYLE = re.compile(r"<style(?![\w-])[^<>]*+>", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_RAW = {"script", "style", "title", "textarea", "xmp", "noframes", "template"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
_LINE = {"div", "li", "tr", "dt", "dd", "center", "address", "article", "section", "header", "footer", "main", "aside",
         "nav", "figure", "figcaption", "form", "fieldset", "option", "caption", "thead", "tbody", "tfoot", "body"}  # fmt: skip
_PARAGRAPH = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr"}
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|max-height\s*:\s*0(?![.\d])"
    r"|(?<![-\w])opacity\s*:\s*0(?![.\d])",
    re.IGNORECASE,
)
_ADDRESSES = {"href", "src", "background", "poster"}
_IN_ADDRESS = str.maketrans("", "", "\t\r\n")


def words(html: str, *, hidden: bool = False, max_characters: int = sys.maxsize) -> str:
    """The text for people, a line for each block; `hidden` includes invisible text, such as previews.

    The HTML is parsed only until the text has `max_characters`.
    """
    lines: list[str] = []
    fragments: list[str] = []
    tokens = _visible(html, hidden)
    for text in _spaced(content or _tag_text(tag, opens, attributes) for tag, opens, attributes, content in tokens):
        first, *next_lines = text.split("\n")
        fragments.append(first)
        for next_line in next_lines:
            _end_line(lines, fragments)
            fragments = [next_line]
        max_characters -= _min_length(text)
        if max_characters <= 0:
            break
    _end_line(lines, fragments)
    return "\n".join(lines).strip()


def _min_length(text: str) -> int:
    """Number of characters that surely remain of a text, whatever stands beside it."""
    if "\n" in text:
        return sum(map(_min_length, text.split("\n")))
    stripped = text.strip()
    return 0 if stripped == "-" else len(stripped)


def _spaced(texts: Iterable[str]) -> Iterator[str]:
    """The texts with one blank in place of several."""
    ends_blank = False
    for spaced in texts:
        if not spaced:
            continue
        text = _SPACES.sub(" ", spaced) if "  " in spaced or "\t" in spaced else spaced
        if ends_blank:
            text = text.removeprefix(" ")
        if text:
            ends_blank = text[-1] == " "
            yield text


def _end_line(lines: list[str], fragments: list[str]) -> None:
    """Append a line, unless it is empty after an empty one."""
    line = "".join(fragments).strip()
    line = "" if line == "-" else line
    if line or (lines and lines[-1]):
        lines.append(line)


def _tag_text(tag: str, opens: bool, attributes: str) -> str:
    """Text in place of a tag."""
    if tag == "br":
        return "\n"
    if tag in _PARAGRAPH:
        return "\n\n"
    if tag in _LINE:
        return "\n- " if tag == "li" and opens else "\n"
    if tag in {"td", "th"} and opens:
        return " "
    if tag == "img" and opens and "alt" in attributes.lower():
        return dict(islice(_attributes(attributes), _MAX_BEFORE_ALT)).get("alt", "")
    return ""


class _Attributes:
    """Parser of tags' attributes, at most _MAX_ATTRIBUTES of one text."""

    def __init__(self) -> None:
        self._remaining = _MAX_ATTRIBUTES

    def parse(self, text: str) -> dict[str, str]:
        """Attributes of one tag by name in lower case; the last of a name counts."""
        pairs = list(islice(_attributes(text), self._remaining)) if text else []
        self._remaining -= len(pairs)
        return dict(pairs)


def _visible(html: str, hidden: bool) -> Iterator[tuple[str, bool, str, str]]:
    """Tokens outside hidden elements; all with `hidden`."""
    reader = _Attributes()
    invisible, depth = "", 0  # tag of the hidden element, and nesting of that tag
    for tag, opens, attributes, content in _tokens(html):
        if invisible:
            depth += (1 if opens else -1) if tag == invisible else 0
            invisible = invisible if depth else ""
        elif opens and not hidden and tag not in _VOID and _is_hidden(reader.parse(attributes)):
            invisible, depth = tag, 1
        else:
            yield tag, opens, attributes, content


def beginning(html: str, tags: int, references: int) -> str:
    """The HTML up to a number of tags, opening and closing, and of references, which determine the time."""
    for sign, max_count in (("<", tags), ("&", references)):
        if html.count(sign) > max_count:
            html = html[: len(html) - len(html.split(sign, max_count + 1)[-1]) - 1]
    return html


def addresses(html: str) -> Iterator[tuple[str, str]]:
    """Addresses in tags: ("href" or "src", address), in order. Backgrounds and posters are "src"."""
    reader = _Attributes()
    for tag, opens, attributes, _ in _tokens(html):
        if tag and opens and attributes:
            for name, value in reader.parse(attributes).items():
                if name in _ADDRESSES:
                    kind = "href" if name == "href" and tag != "link" else "src"
                    yield kind, value.strip().translate(_IN_ADDRESS)


def elements(html: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Opening tags with their attributes, including styles and scripts."""
    reader = _Attributes()
    for tag, opens, attributes, _ in _tokens(html, raw=True):
        if tag and opens:
            yield tag, reader.parse(attributes)


def styles(html: str) -> Iterator[str]:
    """Contents of the style elements."""
    at = 0
    while match := _STYLE.search(html, at):
        at = _behind(html, match.end(), "style")
        yield html[match.end() : at]


def comments(html: str) -> int:
    return html.count("<!--")


def _tokens(html: str, *, raw: bool = False) -> Iterator[tuple[str, bool, str, str]]:
    """Tokens (tag, whether it opens, attributes, "") or ("", False, "", text), without scripts and styles."""
    at = 0
    preformatted = 0
    while at < len(html):
        if html.startswith(_COMMENT, at):
            at = html.find("-->", at + len(_COMMENT)) + 3
            if at < 3:
                return
            continue
        match = _TOKEN.match(html, at)
        if match is None:
            return
        at = match.end()
        if (tag := match["tag"]) is not None:
            tag, opens = tag.lower(), not match["close"]
            attributes, at = _attributes_of(html, match)
            if opens and tag in _RAW:
                at = _behind(html, at, tag)
                if not raw:
                    continue
            if tag == "pre":
                preformatted = max(0, preformatted + (1 if opens else -1))
            yield tag, opens, attributes, ""
        elif (content := match["text"]) is not None:
            content = unescaped(content)
            yield "", False, "", content if preformatted else _BLANKS.sub(" ", content)


def _attributes_of(html: str, match: re.Match[str]) -> tuple[str, int]:
    """Attributes of a tag, and its end."""
    start = match.end("tag")
    while match["end"] is None:
        more = _MORE.match(html, match.end())
        if more is None:
            break
        match = more
    return html[start : match.end() - len(match["end"] or "")], match.end()


def _behind(html: str, at: int, tag: str) -> int:
    """End of a raw element's content, such as that of <script>."""
    end = re.compile(rf"</{tag}", re.IGNORECASE).search(html, at)
    return end.start() if end else len(html)


def _attributes(attributes: str) -> Iterator[tuple[str, str]]:
    for match in _ATTRIBUTE.finditer(attributes):
        value = match[2] or ""
        yield match[1].lower(), unescaped(value[1:] if value[:1] in ("'", '"') else value)


def _is_hidden(attributes: Mapping[str, str]) -> bool:
    return "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style", "")[:_MAX_STYLE]))


def unescaped(text: str) -> str:
    """The text with characters in place of references; a very long one is unchanged."""
    if "&" not in text or len(text) > _MAX_VALUE:
        return text
    return unescape(_HUGE.sub("\ufffd", text)).replace("\0", "\ufffd")
