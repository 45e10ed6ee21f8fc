"""HTML and CSS features of a letter, by caniemail.com names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

from msgspec import Struct

from mailstack.letter.parsed.html import beginning, comments, elements, styles

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_STRING = re.compile(r"\"[^\"\n]*+[\"\n]|'[^'\n]*+['\n]|url\([^()\"']{0,4000}+\)", re.IGNORECASE)
_DECLARATION = re.compile(r"(?:^|[;{\s])(--)?([a-z-]{2,60})\s*:\s*([^;{}]*+)", re.IGNORECASE)
_PRELUDE = re.compile(r"([^{};]*+)([{};]|\Z)")
_FUNCTION = re.compile(r"([a-z-]{3,20})\(", re.IGNORECASE)
_UNIT = re.compile(
    r"(?<![\w#.-])[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(ch|cm|em|ex|in|mm|pc|pt|px|rem|vh|vmax|vmin|vw|%)(?!\w)",
    re.IGNORECASE,
)
_PSEUDO = re.compile(r"(::?)([a-z-]{3,30})", re.IGNORECASE)
_SIDED = re.compile(
    r"(margin|padding)-(?:top|right|bottom|left)|(border)-(?:top|right|bottom|left|width|style|color)(?:-(?:width|style|color))?"
)

_AT_MEDIA = {
    "device-pixel-ratio": "device-pixel-ratio",
    "hover": "hover",
    "orientation": "orientation",
    "prefers-color-scheme": "prefers-color-scheme",
    "prefers-reduced-motion": "prefers-reduced-motion",
}
_PROPERTIES = {
    "left": "left-right-top-bottom", "right": "left-right-top-bottom", "top": "left-right-top-bottom", "bottom": "left-right-top-bottom",
    "block-size": "block-inline-size", "row-gap": "gap", "column-gap": "gap", "border-start-start-radius": "border-radius-logical",
    "border-start-end-radius": "border-radius-logical", "border-end-start-radius": "border-radius-logical",
    "border-end-end-radius": "border-radius-logical", "border-top-left-radius": "border-radius", "border-top-right-radius": "border-radius",
    "border-bottom-left-radius": "border-radius", "border-bottom-right-radius": "border-radius", "grid-template-columns": "grid-template",
    "grid-template-rows": "grid-template", "grid-template-areas": "grid-template", "margin-block": "margin-inline-block",
    "margin-inline": "margin-inline-block", "margin-block-start": "margin-block-start-end", "margin-block-end": "margin-block-start-end",
    "margin-inline-start": "margin-inline-start-end", "margin-inline-end": "margin-inline-start-end", "padding-block": "padding-inline-block",
    "padding-inline": "padding-inline-block", "padding-block-start": "padding-block-start-end", "padding-block-end": "padding-block-start-end",
    "padding-inline-start": "padding-inline-start-end", "padding-inline-end": "padding-inline-start-end",
    "border-inline": "border-inline-block", "border-block": "border-inline-block", "columns": "column-layout-properties",
    "column-width": "column-layout-properties", "column-rule": "column-layout-properties", "column-span": "column-layout-properties",
    "column-fill": "column-layout-properties", "scroll-snap-type": "scroll-snap", "scroll-snap-align": "scroll-snap",
    "animation-name": "animation", "animation-duration": "animation", "transition-property": "transition", "transition-duration": "transition",
}  # fmt: skip
_VALUED = {
    ("display", "flex"): "display-flex", ("display", "inline-flex"): "display-flex", ("display", "grid"): "display-grid",
    ("display", "none"): "display-none", ("flex-direction", "column"): "flex-direction", ("flex-wrap", "wrap"): "flex-wrap",
}  # fmt: skip
_FUNCTIONS = {
    "clamp": "function-clamp", "light-dark": "function-light-dark", "max": "function-max", "min": "function-min", "calc": "unit-calc",
    "conic-gradient": "conic-gradient", "linear-gradient": "linear-gradient", "radial-gradient": "radial-gradient", "rgb": "rgb",
    "rgba": "rgba", "lch": "modern-color", "oklch": "modern-color", "lab": "modern-color", "oklab": "modern-color", "var": "variables",
}  # fmt: skip
_WORDS = {
    "initial": "unit-initial", "fit-content": "intrinsic-size", "min-content": "intrinsic-size", "max-content": "intrinsic-size",
    "system-ui": "sytem-ui", "ui-serif": "sytem-ui", "ui-sans-serif": "sytem-ui", "ui-rounded": "sytem-ui", "ui-monospace": "sytem-ui",
}  # fmt: skip
_ALONE = {"flex-direction", "flex-wrap"}
"""Properties that caniemail.com lists with one value only."""


def declaration_features(text: str) -> Counter[str]:
    """Features of a style attribute, or of the blocks of a sheet."""
    found: Counter[str] = Counter()
    declarations = Counter(_DECLARATION.findall(_STRING.sub(" ", _COMMENT.sub(" ", text))))
    for (variable, name, value), count in declarations.items():
        for each in _declaration_features(name.lower(), value.lower(), is_variable=bool(variable)):
            found[f"css-{each}"] += count
    return found


def _declaration_features(name: str, value: str, *, is_variable: bool) -> list[str]:
    found = ["variables"] if is_variable else []
    if not is_variable and name not in _ALONE:
        sided = _SIDED.fullmatch(name)
        found.append((sided[1] or sided[2]) if sided else _PROPERTIES.get(name, name))
        if name in {"inline-size", "block-size"}:
            found.append("block-inline-size")
    value, bang, _ = value.partition("!important")
    found += ["important"] if bang else []
    words = set(value.replace(",", " ").split())
    found += [slug for (of, word), slug in _VALUED.items() if of == name and word in words]
    found += [_WORDS[word] for word in words if word in _WORDS]
    found += [_FUNCTIONS[each] for each in _FUNCTION.findall(value) if each in _FUNCTIONS]
    return found + [f"unit-{'percent' if unit == '%' else unit}" for unit in set(_UNIT.findall(value))]


def sheet_features(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    if comments := len(_COMMENT.findall(text)):
        found["css-comments"] = comments
    text = _STRING.sub('""', _COMMENT.sub(" ", text))
    found += declaration_features(text)
    for rule in ("font-face", "import", "keyframes", "media", "supports"):
        if count := len(re.findall(rf"@(?:-webkit-)?{rule}(?![\w-])", text, re.IGNORECASE)):
            found[f"css-at-{rule}"] = count
    # Rules without a selector, as in `{{{`, do not count. Repeated selectors are parsed once.
    preludes = Counter(prelude.strip().lower() for prelude, end in _PRELUDE.findall(text) if end == "{")
    del preludes[""]
    for prelude, count in preludes.items():
        for each in _prelude_features(prelude):
            found[f"css-{each}"] += count
    return found


def _prelude_features(prelude: str) -> list[str]:
    """Features of a selector or an @media condition."""
    if prelude.startswith("@"):
        return [
            f"at-media-{slug}" for word, slug in _AT_MEDIA.items() if prelude.startswith("@media") and word in prelude
        ]
    found = []
    for colons, name in _PSEUDO.findall(prelude):
        is_element = colons == "::" or name in {"after", "before", "first-letter", "first-line"}
        found.append(f"pseudo-{'element' if is_element else 'class'}-{name}")
    signs = {
        ">": "child",
        "+": "adjacent-sibling",
        "~": "general-sibling",
        "#": "id",
        "[": "attribute",
        "*": "universal",
        ",": "grouping",
    }
    found += [f"selector-{name}" for sign, name in signs.items() if sign in prelude]
    if re.search(r"\.[a-z_-]", prelude):
        found.append("selector-class")
    if re.search(r"[\w\])*]\s+[\w.#\[*:]", prelude):
        found.append("selector-descendant")
    if re.search(r"\w[.#][\w-]", prelude):
        found.append("selector-chaining")
    if re.match(r"[a-z]", prelude):
        found.append("selector-type")
    return found


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
"""Maximum tags of a letter that are parsed."""
MAX_CSS = 131_072
"""Maximum characters of CSS that are parsed; a repeated attribute counts once."""


class Features(Struct, frozen=True):
    """Features that a letter uses, within the limits."""

    uses: Mapping[str, int]
    """Number of uses of each feature, by the feature's name."""
    elements: int
    """Number of the letter's elements."""


def features_of(html: str) -> Features:
    """Return the features of HTML, in time proportional to its length, within MAX_TAGS and MAX_CSS."""
    html = beginning(html, MAX_TAGS, MAX_TAGS)
    found: Counter[str] = Counter()
    inline: Counter[str] = Counter()
    nodes = 0
    for tag, attributes in elements(html):
        nodes += 1
        for each in _element_features(tag, attributes):
            found[each] += 1
        if style := attributes.get("style"):
            inline[style] += 1
    remaining = MAX_CSS
    for sheet in styles(html):
        found.update(sheet_features(sheet[:remaining]))
        remaining = max(0, remaining - len(sheet))
    for style, uses in inline.items():
        for each, count in declaration_features(style[:remaining]).items():
            found[each] += uses * count
        remaining = max(0, remaining - len(style))
    if count := comments(html):
        found["html-comments"] = count
    return Features(found, nodes)


def _element_features(tag: str, attributes: Mapping[str, str]) -> list[str]:
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
        found += _image_features(attributes.get("src", ""))
    return found


def _image_features(source: str) -> list[str]:
    if source[:5].lower() == "data:":
        return ["image-base64"]
    extension = _EXTENSION.search(source)
    name = extension[1].lower() if extension else ""
    return [f"image-{_IMAGES.get(name, name)}"] if name else []
