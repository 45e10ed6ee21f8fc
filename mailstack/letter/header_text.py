"""Header field text: unfolding, encoded words and UTF-8 (RFC 2047, RFC 6532)."""

from __future__ import annotations

import re
from itertools import groupby

from mailstack.letter.charsets import text_of
from mailstack.letter.transfer_encoding import decoded

_FOLD = re.compile(rb"\r\n(?=[ \t])")
# RFC 2231 §5: a language may stand behind the charset.
_WORD = re.compile(r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bBqQ])\?([^?\r\n]*+)\?=")
_UNDERSCORE = str.maketrans("_", " ")


def unfolded(field: bytes) -> bytes:
    """The body of a field, in one line (RFC 5322 §2.2.3)."""
    return _FOLD.sub(b"", field.partition(b":")[2]).strip()


def plain(text: str) -> str:
    """The text with its encoded words decoded. The white space between two of them is no part of it (RFC 2047 §6.2)."""
    if "=?" not in text:
        return text
    pieces: list[tuple[str, bytes, str]] = []  # charset, octets in it, text before them
    end = 0
    for word in _WORD.finditer(text):
        between = text[end : word.start()]
        if pieces and not between.strip():
            between = ""
        pieces.append((word[1].lower(), _octets(word[2], word[3]), between))
        end = word.end()
    return _joined(pieces) + text[end:]


def _octets(encoding: str, word: str) -> bytes:
    if encoding in "bB":
        return decoded(word.encode("utf-8", "replace"), "base64")
    return decoded(word.translate(_UNDERSCORE).encode("utf-8", "replace"), "quoted-printable")


def _joined(pieces: list[tuple[str, bytes, str]]) -> str:
    """Words in one charset that stand together are decoded together: many a client cuts characters in two."""
    text: list[str] = []
    group = 0
    numbered: list[tuple[int, str, bytes, str]] = []
    for charset, octets, between in pieces:
        if between or not numbered or numbered[-1][1] != charset:
            group += 1
        numbered.append((group, charset, octets, between))
    for _, words in groupby(numbered, key=lambda each: each[0]):
        same = list(words)
        text += [same[0][3], text_of(b"".join([each[2] for each in same]), same[0][1])]
    return "".join(text)


def text_of_field(field: bytes) -> str:
    """What a field says to people."""
    return plain(text_of(unfolded(field)))
