"""Which features of HTML and CSS a letter uses, by the names that caniemail.com gives them, and how often."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

from mailstack.reading.html import comments, elements, styles
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


def features_of(html: str, known: Collection[str]) -> tuple[Counter[str], int]:
    """How often each of the `known` is used; and how many elements there are."""
    found: Counter[str] = Counter()
    nodes = 0
    for tag, attributes in elements(html):
        nodes += 1
        found.update(_of_element(tag, attributes))
        if style := attributes.get("style"):
            found.update(in_declarations(style))
    for sheet in styles(html):
        found.update(in_sheet(sheet))
    if count := comments(html):
        found["html-comments"] = count
    return Counter({name: count for name, count in found.items() if name in known}), nodes


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
