"""Writes header fields, folded and encoded (RFC 5322 §2.2.3, RFC 2047, RFC 2231)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from urllib.parse import quote

_WIDTH = 76
"""Characters of a line; RFC 5322 §2.1.1 wants at most 78, and an encoded word stands in at most 76 (RFC 2047 §2)."""
_MAX_WORD = 900
"""Characters of a word that is left unbroken: a line has at most 998 octets (RFC 5322 §2.1.1)."""
_MAX_ENCODED = 36
"""Octets in one encoded word: 48 digits in base64, which have room beside most names of fields."""
_MAX_BESIDE = 14
"""Characters of a name beside which the first word always stands: a line of the name alone confuses some readers."""
_MAX_PIECE = 60
"""Characters in one section of a continued parameter (RFC 2231 §3)."""
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)*+\Z")
_VISIBLE = re.compile(r"[ -~]*+\Z")
_UNPLAIN_IN_Q = re.compile(rb"[^A-Za-z0-9!*+/ -]")
_SAFE_IN_PARAMETER = "!#$&+-.^_`|~"
"""Beyond letters and digits: attribute-char of RFC 2231 §7."""


def text_field(name: str, text: str) -> bytes:
    """An unstructured field (RFC 5322 §2.2.1). What can't stand there as it is comes in encoded words."""
    words: list[str] = []
    unplain: list[str] = []
    for word in text.split():
        if _is_plain(word):
            words += encoded_words(" ".join(unplain))
            words.append(word)
            unplain = []
        else:
            unplain.append(word)
    return folded(name, words + encoded_words(" ".join(unplain)))


def mailbox_field(name: str, mailboxes: Sequence[tuple[str, str]]) -> bytes:
    """A list of mailboxes (RFC 5322 §3.4), each a display name, which may be empty, and an address."""
    words: list[str] = []
    for display, address in mailboxes:
        phrase = _phrase(" ".join(display.split()))
        words += [*phrase, f"<{address}>,"] if phrase else [f"{address},"]
    if words:
        words[-1] = words[-1][:-1]
    return folded(name, words)


def folded(name: str, words: Iterable[str]) -> bytes:
    """The field with one blank between words, and a new line where the next word has no room (RFC 5322 §2.2.3)."""
    pieces = [name, ":"]
    length = len(name) + 1
    is_begun = len(name) > _MAX_BESIDE
    for word in words:
        if is_begun and length + 1 + len(word) > _WIDTH:
            pieces.append("\r\n")
            length = 0
        pieces += [" ", word]
        length += 1 + len(word)
        is_begun = True
    return "".join([*pieces, "\r\n"]).encode()


def parameter(name: str, value: str) -> list[str]:
    """A parameter of a MIME field (RFC 2045 §5.1), in continued sections where it is long or not in ASCII (RFC 2231 §3)."""
    if len(value) <= _MAX_PIECE and _VISIBLE.match(value):
        return [f"{name}={_quoted(value)}"]
    escapes = [quote(sign, safe=_SAFE_IN_PARAMETER, errors="replace") for sign in value]
    sections: list[list[str]] = [["utf-8''"]]
    length = len(sections[0][0])
    for escape in escapes:
        if length + len(escape) > _MAX_PIECE:
            sections.append([])
            length = 0
        sections[-1].append(escape)
        length += len(escape)
    if len(sections) == 1:
        return [f"{name}*={''.join(sections[0])}"]
    return [f"{name}*{number}*={''.join(section)}" for number, section in enumerate(sections)]


def encoded_words(text: str) -> list[str]:
    """The text in UTF-8, in as many encoded words as it needs (RFC 2047 §2); none for an empty text."""
    chunks: list[list[bytes]] = [[]]
    length = 0
    for sign in text:
        octets = sign.encode("utf-8", "replace")
        # RFC 2047 §5: no character is divided between two words.
        if length + len(octets) > _MAX_ENCODED:
            chunks.append([])
            length = 0
        chunks[-1].append(octets)
        length += len(octets)
    return [_encoded_word(b"".join(chunk)) for chunk in chunks if chunk]


def _encoded_word(octets: bytes) -> str:
    """In the encoding Q where that is no longer than base64."""
    readable = _UNPLAIN_IN_Q.sub(lambda found: b"=%02X" % found[0][0], octets).replace(b" ", b"_")
    digits = b64encode(octets)
    return f"=?utf-8?q?{readable.decode()}?=" if len(readable) <= len(digits) else f"=?utf-8?b?{digits.decode()}?="


def _phrase(display: str) -> list[str]:
    """The words of a display name (RFC 5322 §3.2.5): as they are, in quotes, or encoded."""
    if not display:
        return []
    if len(display) > _MAX_WORD or not _is_plain(display.replace(" ", "")):
        return encoded_words(display)
    return display.split(" ") if _ATOMS.match(display) else [_quoted(display)]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_plain(word: str) -> bool:
    """Whether it reads as it is; what looks like an encoded word would be decoded (RFC 2047 §7)."""
    return len(word) <= _MAX_WORD and "=?" not in word and _VISIBLE.match(word) is not None
