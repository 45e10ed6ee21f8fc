"""Header section: fields found, decoded and written (RFC 5322 §2.2, RFC 2047).

A *section* is all octets before the body, with or without the empty line between them. Octets outside any field (a
stray line, the empty line) stay in place: no letter is refused for them here, and no other octet moves. Lines end in
CRLF; a lone CR or LF is an ordinary octet.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from urllib.parse import quote

from mailstack.letter.charsets import text_of
from mailstack.letter.transfer_encoding import decoded

_FTEXT = bytes(range(33, 58)) + bytes(range(59, 127))
"""Octets of a field name: printable US-ASCII without the colon (RFC 5322 §3.6.8)."""
_WSP = b" \t"
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_AT_ONCE = 65_536
"""Octets searched per match for the end of a field; a match blocks other threads."""
_MAX_LINE = 998
"""Maximum octets of a line (RFC 5322 §2.1.1), and so of a field name."""
_MBOX_LINES = (b"From ", b">From ")
"""Separator line of mbox files, which some clients send."""


def split(octets: bytes) -> int:
    """Offset of the body, after the empty line that ends the header section.

    Without an empty line, the length; 0 if the first line is no field.
    """
    if octets.startswith(b"\r\n"):
        return 2
    if not _name(octets[:_MAX_LINE]) and not octets.startswith(_MBOX_LINES):
        return 0
    end = octets.find(b"\r\n\r\n")
    return len(octets) if end < 0 else end + 4


def fields(section: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name in lower case and octets of each field, with continuation lines and CRLF, from the top.

    The name of an invalid line is b"". All octets, joined, are the section.
    """
    start, end = 0, len(section)
    while start < end:
        stop = _field_end(section, start)
        field = section[start:stop]
        yield _name(field), field
        start = stop


def first_bodies(section: bytes, names: Collection[bytes], max_octets: int) -> dict[bytes, bytes]:
    """Unfolded body of the first field of each of these lower-case names; `max_octets` of a field count."""
    found: dict[bytes, bytes] = {}
    for field in _FIELD_END.split(section):
        name, colon, body = field.partition(b":")
        key = name.rstrip(_WSP).lower()
        if colon and key in names and key not in found:
            if len(field) > max_octets:
                body = body[: max(0, max_octets - len(name) - 1)]
            found[key] = (_FOLD.sub(b"", body) if b"\r" in body else body).strip()
    return found


def select_fields(section: bytes, names: Collection[bytes], *, others: bool = False) -> bytes:
    """Fields with these lower-case names, or all `others` and invalid lines; each ends in CRLF, without the empty line."""
    kept = []
    for field in _FIELD_END.split(section):
        name, colon, _ = field.partition(b":")
        if (colon != b"" and name.rstrip(_WSP).lower() in names) is not others and (field or not others):
            kept.append(field)
    return b"\r\n".join([*kept, b""]) if kept else b""


def fields_of(section: bytes, name: bytes) -> list[bytes]:
    """Fields with this lower-case name, from the top, without the CRLF at their ends."""
    if name not in section.lower():
        return []
    found = []
    for field in _FIELD_END.split(section):
        field_name, colon, _ = field.partition(b":")
        if colon and field_name.rstrip(_WSP).lower() == name:
            found.append(field)
    return found


def count(section: bytes, name: bytes) -> int:
    """Number of fields with this name, in any case."""
    lines = b"\r\n" + section.lower()
    if b"\r\n" + name.lower() not in lines:
        return 0
    return len(_pattern(name.lower()).findall(lines))


def has(section: bytes, name: bytes) -> bool:
    """Whether a field has this name, in any case."""
    return count(section, name) > 0


def strip_fields(section: bytes, names: Collection[bytes]) -> bytes:
    """The section without the fields of these names, otherwise unchanged."""
    lines = b"\r\n" + section.lower()
    if not [name for name in names if b"\r\n" + name.lower() in lines]:
        return section
    lower_names = {name.lower() for name in names}
    return b"".join([field for name, field in fields(section) if name not in lower_names])


@lru_cache(maxsize=64)
def _pattern(name: bytes) -> re.Pattern[bytes]:
    # RFC 5322 §4.5: obsolete syntax has white space between name and colon.
    return re.compile(rb"\r\n" + re.escape(name) + rb"[ \t]*:")


def _name(field: bytes) -> bytes:
    name, colon, _ = field.partition(b":")
    name = name.rstrip(_WSP)
    if not colon or not name or name.translate(None, _FTEXT):
        return b""
    return name.lower()


def _field_end(section: bytes, start: int) -> int:
    """End of a field, after a CRLF without a continuation line (RFC 5322 §2.2.3)."""
    at, end = start, len(section)
    while at < end:
        stop = min(at + _AT_ONCE, end)
        match = _FIELD_END.search(section, at, stop)
        # At the end of a window, the next line is unknown.
        if match is not None and (match.end() < stop or stop == end):
            return match.end()
        at = stop if stop == end else stop - 2
    return end


_FOLD = re.compile(rb"\r\n(?=[ \t])")
# RFC 2231 §5: a language may follow the charset.
_WORD = re.compile(r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bBqQ])\?([^?\r\n]*+)\?=")
_UNDERSCORE = str.maketrans("_", " ")


def unfolded(field: bytes) -> bytes:
    """Body of a field in one line (RFC 5322 §2.2.3)."""
    return _FOLD.sub(b"", field.partition(b":")[2]).strip()


def plain(text: str) -> str:
    """The text with decoded encoded words, without white space between two of them (RFC 2047 §6.2)."""
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
    """Decode adjacent words of one charset together, because some clients split characters."""
    text: list[str] = []
    group = 0
    numbered: list[tuple[int, str, bytes, str]] = []
    for charset, octets, between in pieces:
        if between or not numbered or numbered[-1][1] != charset:
            group += 1
        numbered.append((group, charset, octets, between))
    for _, words in groupby(numbered, key=lambda word: word[0]):
        same = list(words)
        text += [same[0][3], text_of(b"".join([word[2] for word in same]), same[0][1])]
    return "".join(text)


def text_of_field(field: bytes) -> str:
    """Decoded text of a field, for people."""
    return plain(text_of(unfolded(field)))


_WIDTH = 76
"""Maximum characters of a line: 78 in RFC 5322 §2.1.1, 76 with an encoded word (RFC 2047 §2)."""
_MAX_WORD = 900
"""Maximum characters of an unbroken word: a line has at most 998 octets (RFC 5322 §2.1.1)."""
_MAX_ENCODED = 36
"""Maximum octets of one encoded word: 48 base64 digits, which fit beside most field names."""
_MAX_BESIDE = 14
"""Maximum characters of a field name that the first word follows on its line, for some parsers."""
_MAX_PIECE = 60
"""Maximum characters of one section of a continued parameter (RFC 2231 §3)."""
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)*+\Z")
_VISIBLE = re.compile(r"[ -~]*+\Z")
_UNPLAIN_IN_Q = re.compile(rb"[^A-Za-z0-9!*+/ -]")
_SAFE_IN_PARAMETER = "!#$&+-.^_`|~"
"""attribute-char of RFC 2231 §7, besides letters and digits."""


def text_field(name: str, text: str) -> bytes:
    """An unstructured field (RFC 5322 §2.2.1), with encoded words if needed."""
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
    """The field with one blank between words, folded at _WIDTH (RFC 5322 §2.2.3)."""
    pieces = [name, ":"]
    length = len(name) + 1
    has_word = len(name) > _MAX_BESIDE
    for word in words:
        if has_word and length + 1 + len(word) > _WIDTH:
            pieces.append("\r\n")
            length = 0
        pieces += [" ", word]
        length += 1 + len(word)
        has_word = True
    return "".join([*pieces, "\r\n"]).encode()


def parameter(name: str, value: str) -> list[str]:
    """A parameter of a MIME field (RFC 2045 §5.1), in continued sections if long or not ASCII (RFC 2231 §3)."""
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
    """The text as encoded words in UTF-8 (RFC 2047 §2); empty for an empty text."""
    chunks: list[list[bytes]] = [[]]
    length = 0
    for sign in text:
        octets = sign.encode("utf-8", "replace")
        # RFC 2047 §5: words never split a character.
        if length + len(octets) > _MAX_ENCODED:
            chunks.append([])
            length = 0
        chunks[-1].append(octets)
        length += len(octets)
    return [_encoded_word(b"".join(chunk)) for chunk in chunks if chunk]


def _encoded_word(octets: bytes) -> str:
    """An encoded word, in Q unless base64 is shorter."""
    readable = _UNPLAIN_IN_Q.sub(lambda match: b"=%02X" % match[0][0], octets).replace(b" ", b"_")
    digits = b64encode(octets)
    return f"=?utf-8?q?{readable.decode()}?=" if len(readable) <= len(digits) else f"=?utf-8?b?{digits.decode()}?="


def _phrase(display: str) -> list[str]:
    """Words of a display name (RFC 5322 §3.2.5): plain, quoted or encoded."""
    if not display:
        return []
    if len(display) > _MAX_WORD or not _is_plain(display.replace(" ", "")):
        return encoded_words(display)
    return display.split(" ") if _ATOMS.match(display) else [_quoted(display)]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_plain(word: str) -> bool:
    """Whether the word needs no encoding; one like an encoded word does (RFC 2047 §7)."""
    return len(word) <= _MAX_WORD and "=?" not in word and _VISIBLE.match(word) is not None
