"""HTML and CSS features of a letter, by caniemail.com names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

from msgspec import Struct

from mailstack.letter.parsed.html import beginning, comments, elements, styles
from mailstack.web.checks.css_features import in_declarations, in_sheet

_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_SEMANTIC = {"article", "aside", "details", "figcaption", "figure", "footer", "header", "main", "mark", "nav", "section",
             "summary", "time"}  # fmt: skip
_GROUPS: Mapping[str, Collection[str]] = {
    "html-h1-h6": _HEADINGS,
    "html-semantics": _SEMANTIC,
    "html-lists": {"ul", "ol", "dl"},
    "html-image-maps": {"map"},
}
_ATTRIBUTES = {
    "align", "aria-describedby", "aria-hidden", "aria-label", "aria-labelledby", "aria-live", "background", "cellpadding",
    "cellspacing", "dir", "height", "hidden", "lang", "popover", "required", "role", "srcset", "target", "valign", "width",
}  # fmt: skip
_IMAGES = {"jpeg": "jpg", "tif": "tiff", "heic": "heif"}
_EXTENSION = re.compile(r"\.([a-z0-9]{2,5})(?:[?#]|\Z)", re.IGNORECASE)


MAX_TAGS = 20_000
"""Tags of a letter, opening and closing, that are looked at."""
MAX_CSS = 131_072
"""Characters of style sheets and style attributes, all together, that are looked at; one attribute again and again counts once."""


class Features(Struct, frozen=True):
    """What a letter uses, as far as it is looked at."""

    uses: Mapping[str, int]
    """Number of uses of each feature, by the feature's name."""
    elements: int
    """Number of the letter's elements."""


def features_of(html: str) -> Features:
    """Takes time in proportion to the length, and is bounded by MAX_TAGS and MAX_CSS."""
    html = beginning(html, MAX_TAGS, MAX_TAGS)
    found: Counter[str] = Counter()
    inline: Counter[str] = Counter()
    nodes = 0
    for tag, attributes in elements(html):
        nodes += 1
        for each in _of_element(tag, attributes):
            found[each] += 1
        if style := attributes.get("style"):
            inline[style] += 1
    left = MAX_CSS
    for sheet in styles(html):
        found.update(in_sheet(sheet[:left]))
        left = max(0, left - len(sheet))
    for style, uses in inline.items():
        for each, count in in_declarations(style[:left]).items():
            found[each] += uses * count
        left = max(0, left - len(style))
    if count := comments(html):
        found["html-comments"] = count
    return Features(found, nodes)


def _of_element(tag: str, attributes: Mapping[str, str]) -> list[str]:
    found = [f"html-{tag}", *(group for group, tags in _GROUPS.items() if tag in tags)]
    found += [f"html-{name}" for name in attributes if name in _ATTRIBUTES]
    if "loading" in attributes:
        found.append("html-loading-attribute")
    if tag in {"input", "button"}:
        found.append(f"html-{tag}-{attributes.get('type', 'text' if tag == 'input' else 'submit').lower()}")
    if tag == "meta" and attributes.get("name", "").lower() == "color-scheme":
        found.append("html-meta-color-scheme")
    href = attributes.get("href", "").strip().lower()
    if tag == "a" and href.startswith(("#", "mailto:")):
        found.append("html-anchor-links" if href.startswith("#") else "html-mailto-links")
    if tag in {"img", "source"}:
        found += _of_image(attributes.get("src", ""))
    return found


def _of_image(source: str) -> list[str]:
    if source[:5].lower() == "data:":
        return ["image-base64"]
    extension = _EXTENSION.search(source)
    name = extension[1].lower() if extension else ""
    return [f"image-{_IMAGES.get(name, name)}"] if name else []
