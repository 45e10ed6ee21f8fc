"""Languages of POP3 response texts: LANG (RFC 6856 §3)."""

from __future__ import annotations

LANGUAGES = {"en": "English", "i-default": "English, for whoever chose no language"}
"""Tag and name, as LANG lists them. All our texts are ASCII, so none of them needs the UTF8 command."""

DEFAULT = "i-default"


def choose(wanted: str) -> str | None:
    """The tag that serves a language range by lookup (RFC 4647 §3.4), or None. `*` is whatever we like best."""
    if wanted == "*":
        return DEFAULT
    subtags = wanted.lower().split("-")
    while subtags:
        tag = "-".join(subtags)
        if tag in LANGUAGES:
            return tag
        subtags.pop()
        # A single letter introduces what follows it, and means nothing alone.
        if subtags and len(subtags[-1]) == 1:
            subtags.pop()
    return None
