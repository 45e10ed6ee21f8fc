"""The value of a field such as Content-Type, and its parameters (RFC 2045 §5.1), encoded and continued as RFC 2231 has it."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from mailstack.reading.charsets import text_of
from mailstack.reading.words import plain

_PARAMETER = re.compile(
    r';\s*([^=;"\s*]{1,60})(?:\*(\d{1,3}))?(\*)?\s*=\s*("(?:[^"\\]|\\.)*+(?:"|\Z)|[^;\r\n]*+)', re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MOST = 200


def value_and_parameters(text: str) -> tuple[str, dict[str, str]]:
    """The value in lower case, without comments, and the parameters by their names in lower case."""
    value = text.partition(";")[0].partition("(")[0].strip().lower()
    whole: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for number, found in enumerate(_PARAMETER.finditer(text)):
        if number >= _MOST:
            break
        name, section, encoded = found[1].lower(), found[2], bool(found[3])
        written = found[4].strip()
        if written.startswith('"'):
            written = _ESCAPE.sub(r"\1", written[1:].removesuffix('"'))
        if section is None and not encoded:
            whole.setdefault(name, plain(written))
        else:
            pieces.setdefault(name, {}).setdefault(int(section or 0), (encoded, written))
    # RFC 2231's form counts more than the plain one, which is there for old readers (RFC 6266 §4.3).
    return value, whole | {name: _continued(sections) for name, sections in pieces.items()}


def _continued(sections: dict[int, tuple[bool, str]]) -> str:
    octets, charset = b"", ""
    for number, (encoded, written) in sorted(sections.items()):
        rest = written
        if encoded:
            if number == 0 and written.count("'") >= 2:
                charset, _, rest = written.split("'", 2)
            octets += unquote_to_bytes(rest)
        else:
            octets += rest.encode("utf-8", "replace")
    return text_of(octets, charset)
