"""HTML tokenizer: the words and links of a message, in linear time.

No tree is built: parsers that build one take time with the square of the depth, and the depth is the writer's choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from itertools import islice

_AT_ONCE = 8192
"""Characters of a text, and bits of attributes, that are taken in one go: meanwhile no other thread runs."""
_COMMENT = "<!--"
_REST = rf"(?:[^>\"'=]++|=++(?:\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)))?+|[\"']){{0,{_AT_ONCE}}}+(?P<end>>|\Z)?"
# Each alternative takes what it began to its end, or as much as may be at once: no input makes it try again. What is
# written as a reference stays whole where a text is cut.
_TOKEN = re.compile(
    rf"<(?P<close>/?)(?P<tag>[a-zA-Z][^\s/>]{{0,60}}+){_REST}"
    r"|<[!?/][^>]*+(?:>|\Z)"
    rf"|(?P<text>(?:[^<]|<(?![a-zA-Z/!?])){{1,{_AT_ONCE}}}+[^<&;\s]{{0,40}}+;?|<)",
    re.DOTALL,
)
_MORE = re.compile(_REST, re.DOTALL)
_MAX_ATTRIBUTES = 100_000
"""Attributes of one text that are read."""
_MAX_BEFORE_ALT = 20
"""Attributes of one picture among which its text is looked for."""
_MAX_STYLE = 4096
"""Characters of a style attribute that may hide something."""
_MAX_VALUE = 65_536
"""Characters of an attribute in which references are looked for: longer ones are pictures."""
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


def words(html: str, *, hidden: bool = False) -> str:
    """The text for people, a line for each block; with `hidden`, what isn't shown too, as the line that previews show."""
    lines: list[str] = []
    begun: list[str] = []
    for text in _spaced(
        said or _shown(tag, opens, attributes) for tag, opens, attributes, said in _visible(html, hidden)
    ):
        if "\n" not in text:
            begun.append(text)
            continue
        first, *others = text.split("\n")
        begun.append(first)
        for each in others:
            _end_line(lines, begun)
            begun = [each]
    _end_line(lines, begun)
    return "\n".join(lines).strip()


def _spaced(texts: Iterable[str]) -> Iterator[str]:
    """With one blank in place of several."""
    ends_blank = False
    for each in texts:
        if not each:
            continue
        text = _SPACES.sub(" ", each) if "  " in each or "\t" in each else each
        if ends_blank:
            text = text.removeprefix(" ")
        if text:
            ends_blank = text[-1] == " "
            yield text


def _end_line(lines: list[str], begun: list[str]) -> None:
    """One empty line is enough between two others."""
    line = "".join(begun).strip()
    line = "" if line == "-" else line
    if line or (lines and lines[-1]):
        lines.append(line)


def _shown(tag: str, opens: bool, attributes: str) -> str:
    """What a tag looks like in a text."""
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
    """Reader of tags' attributes, at most so many of one text: each takes longer than its characters do."""

    def __init__(self) -> None:
        self._left = _MAX_ATTRIBUTES

    def of(self, text: str) -> dict[str, str]:
        """Those of one tag by their names in lower case; the last of a name counts."""
        found = list(islice(_attributes(text), self._left)) if text else []
        self._left -= len(found)
        return dict(found)


def _visible(html: str, hidden: bool) -> Iterator[tuple[str, bool, str, str]]:
    """The tokens that are not within what is hidden; or all."""
    read = _Attributes()
    invisible, depth = "", 0  # the tag that hides what is in it, and how many of its name are open
    for tag, opens, attributes, said in _tokens(html):
        if invisible:
            depth += (1 if opens else -1) if tag == invisible else 0
            invisible = invisible if depth else ""
        elif opens and not hidden and tag not in _VOID and _is_hidden(read.of(attributes)):
            invisible, depth = tag, 1
        else:
            yield tag, opens, attributes, said


def beginning(html: str, tags: int, references: int) -> str:
    """As much of it as has so many tags, opening and closing, and so many references: these take time, not characters."""
    for sign, most in (("<", tags), ("&", references)):
        if html.count(sign) > most:
            html = html[: len(html) - len(html.split(sign, most + 1)[-1]) - 1]
    return html


def addresses(html: str) -> Iterator[tuple[str, str]]:
    """What its tags point to: ("href" or "src", address), in order. Backgrounds and the like are "src"."""
    read = _Attributes()
    for tag, opens, attributes, _ in _tokens(html):
        if tag and opens and attributes:
            for name, value in read.of(attributes).items():
                if name in _ADDRESSES:
                    kind = "href" if name == "href" and tag != "link" else "src"
                    yield kind, value.strip().translate(_IN_ADDRESS)


def elements(html: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each opening tag, with its attributes, styles and scripts among them."""
    read = _Attributes()
    for tag, opens, attributes, _ in _tokens(html, raw=True):
        if tag and opens:
            yield tag, read.of(attributes)


def styles(html: str) -> Iterator[str]:
    """What stands in the style elements."""
    at = 0
    while found := _STYLE.search(html, at):
        at = _behind(html, found.end(), "style")
        yield html[found.end() : at]


def comments(html: str) -> int:
    """How many there are."""
    return html.count("<!--")


def _tokens(html: str, *, raw: bool = False) -> Iterator[tuple[str, bool, str, str]]:
    """(tag, whether it opens, its attributes, "") or ("", False, "", text); nothing of scripts and styles."""
    at = 0
    preformatted = 0
    while at < len(html):
        if html.startswith(_COMMENT, at):
            at = html.find("-->", at + len(_COMMENT)) + 3
            if at < 3:
                return
            continue
        found = _TOKEN.match(html, at)
        if found is None:
            return
        at = found.end()
        if (tag := found["tag"]) is not None:
            tag, opens = tag.lower(), not found["close"]
            attributes, at = _attributes_of(html, found)
            if opens and tag in _RAW:
                at = _behind(html, at, tag)
                if not raw:
                    continue
            if tag == "pre":
                preformatted = max(0, preformatted + (1 if opens else -1))
            yield tag, opens, attributes, ""
        elif (said := found["text"]) is not None:
            said = _unescaped(said)
            yield "", False, "", said if preformatted else _BLANKS.sub(" ", said)


def _attributes_of(html: str, found: re.Match[str]) -> tuple[str, int]:
    """Those of a tag, and where it ends."""
    begin = found.end("tag")
    while found["end"] is None:
        more = _MORE.match(html, found.end())
        if more is None:
            break
        found = more
    return html[begin : found.end() - len(found["end"] or "")], found.end()


def _behind(html: str, at: int, tag: str) -> int:
    """Where what is between <script> and </script> ends."""
    end = re.compile(rf"</{tag}", re.IGNORECASE).search(html, at)
    return end.start() if end else len(html)


def _attributes(attributes: str) -> Iterator[tuple[str, str]]:
    for found in _ATTRIBUTE.finditer(attributes):
        value = found[2] or ""
        yield found[1].lower(), _unescaped(value[1:] if value[:1] in ("'", '"') else value)


def _is_hidden(attributes: Mapping[str, str]) -> bool:
    return "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style", "")[:_MAX_STYLE]))


def _unescaped(text: str) -> str:
    if "&" not in text or len(text) > _MAX_VALUE:
        return text
    return unescape(_HUGE.sub("\ufffd", text)).replace("\0", "\ufffd")
