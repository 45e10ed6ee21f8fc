"""Charset decoding of untrusted octets into storable text, without surrogates and NUL.

Names have their meaning in browsers: ISO-8859-1 is windows-1252, GB2312 is GB 18030, and US-ASCII or no charset is UTF-8
if the octets are valid.
"""

from __future__ import annotations

import codecs
import encodings
import pkgutil
import re
import sys
from encodings import aliases
from functools import cache
from importlib import import_module

_NOT_CHARSETS = {
    "aliases", "base64_codec", "bz2_codec", "charmap", "hex_codec", "idna", "mbcs", "oem", "palmos", "punycode",
    "quopri_codec", "raw_unicode_escape", "rot_13", "undefined", "unicode_escape", "uu_codec", "zlib_codec",
}  # fmt: skip
_ALIASES = {
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "ks_c_5601_1987": "cp949",
    "shift_jis": "cp932",
    "x_sjis": "cp932",
    "big5": "big5hkscs",
    "iso_8859_8_i": "iso8859_8",
    "unicode_1_1_utf_7": "utf_7",
    "macintosh": "mac_roman",
    "ascii": "",
    "utf_8": "",
    "utf8": "",
    "unknown_8bit": "",
    "default": "",
}
"""Codecs by other names, and codecs that are supersets of the named one; "" is UTF-8 or cp1252."""
_MAX_NAME = 40
_MARKS = {"utf_16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf_32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)}
"""Byte order marks of the codecs that need one."""
_MAX_UTF_7 = 524_288
"""Maximum octets of UTF-7, ten times as slow as other charsets."""
_ASCII = bytes(range(128))
AT_ONCE = 16_384
"""Octets decoded in one piece."""


@cache
def _codecs() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(encodings.__path__)) - _NOT_CHARSETS


@cache
def _table(codec: str) -> str:
    """Decoding table of a single-octet codec, which is faster than its decoder on invalid octets; else ""."""
    table = getattr(import_module(f"encodings.{codec}"), "decoding_table", "")
    return table.replace("\ufffe", "\ufffd") if isinstance(table, str) else ""


def _codec(charset: str) -> str:
    """Codec of a charset; "" for UTF-8 and unknown names."""
    # codecs.lookup() would cache every name.
    name = re.sub(r"[^a-z0-9]+", "_", charset[:_MAX_NAME].lower()).strip("_")
    name = aliases.aliases.get(name, name)
    name = _ALIASES.get(name, name)
    return name if name in _codecs() else ""


def text_of(octets: bytes, charset: str = "") -> str:
    """The decoded text, with U+FFFD for invalid octets and NUL."""
    codec = _codec(charset) if charset else ""
    if codec == "utf_7":
        octets = octets[:_MAX_UTF_7]
    if codec:
        try:
            text = _decoded(octets, codec)
        except (LookupError, ValueError, OverflowError):  # a codec that is missing on this platform, or a broken one
            text = _guessed(octets)
    else:
        text = _guessed(octets)
    if codec == "utf_7":
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "\ufffd")


def _decoded(octets: bytes, codec: str) -> str:
    """Decode in pieces: some codecs are slow on invalid octets and block other threads."""
    if table := _table(codec):
        starts = range(0, len(octets), AT_ONCE)
        return "".join([codecs.charmap_decode(octets[at : at + AT_ONCE], "strict", table)[0] for at in starts])
    if len(octets) <= AT_ONCE:
        return octets.decode(codec, "replace")
    if codec in _MARKS and not octets.startswith(_MARKS[codec]):
        # Incremental decoders need the byte order that a whole decode assumes.
        codec = f"{codec}_{'le' if sys.byteorder == 'little' else 'be'}"
    decoder = codecs.getincrementaldecoder(codec)("replace")
    pieces = [decoder.decode(octets[start : start + AT_ONCE]) for start in range(0, len(octets), AT_ONCE)]
    return "".join([*pieces, decoder.decode(b"", final=True)])


def _guessed(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        # Mostly UTF-8 with a few invalid octets, or else windows-1252.
        text = _decoded(octets, "utf_8")
        return _decoded(octets, "cp1252") if text.count("\ufffd") * 4 > len(octets.translate(None, _ASCII)) else text
