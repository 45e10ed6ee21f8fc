"""IMAP responses: tagged, untagged and data lines (RFC 3501 §7, RFC 9051 §7)."""

from __future__ import annotations

import binascii
import re
import time
from collections.abc import Iterable, Mapping, Sequence

from mailstack.protocols.imap.mailbox_names import encode_name
from mailstack.protocols.imap.search_grammar import MONTHS
from mailstack.protocols.imap.sequence_set import format_set

MAX_QUOTED = 1000
"""Maximum octets of a quoted string; longer ones are literals."""
MAX_TEXT = 500
"""Maximum characters of a text for people."""

_UNPLAIN = re.compile(rb'[\0\r\n"\\\x80-\xff]')
_UNQUOTABLE = re.compile(rb"[\r\n\x80-\xff]")
_UNQUOTABLE_UTF8 = re.compile(rb"[\r\n]")
_SPECIAL = re.compile(rb'(["\\])')
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_UNPRINTABLE = re.compile(r"[^ -~]")


# --- strings


def string(octets: bytes, *, utf8: bool = False) -> bytes:
    """A quoted string, or a literal for octets that it can't hold; NUL, which neither can hold, becomes "?".

    With `utf8` the client takes UTF-8 in quoted strings (RFC 6855 §3).
    """
    if len(octets) <= MAX_QUOTED and not _UNPLAIN.search(octets):
        return b'"%b"' % octets
    if b"\0" in octets:
        octets = octets.replace(b"\0", b"?")
    if len(octets) > MAX_QUOTED or (_UNQUOTABLE.search(octets) and not (utf8 and _is_quotable_utf8(octets))):
        return literal_start(len(octets)) + octets
    if b'"' in octets or b"\\" in octets:
        octets = _SPECIAL.sub(rb"\\\1", octets)
    return b'"%b"' % octets


def nstring(octets: bytes | None, *, utf8: bool = False) -> bytes:
    """NIL, or the string."""
    return b"NIL" if octets is None else string(octets, utf8=utf8)


def literal_start(size: int, *, is_binary: bool = False) -> bytes:
    """Announcement of a literal; a binary one may contain NUL (RFC 3516 §4.4)."""
    return b"%b{%d}\r\n" % (b"~" if is_binary else b"", size)


def _is_quotable_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not _UNQUOTABLE_UTF8.search(octets)


def astring(octets: bytes, *, utf8: bool = False) -> bytes:
    """Atom where possible, else a string. NIL is quoted: an astring has no NIL."""
    if _ATOM.fullmatch(octets) and octets.upper() != b"NIL":
        return octets
    return string(octets, utf8=utf8)


def mailbox_name(name: str, *, utf8: bool = False) -> bytes:
    """Encoded name as an astring: modified UTF-7, or UTF-8 with `utf8`."""
    return astring(encode_name(name, utf8=utf8), utf8=utf8)


def internal_date(seconds: float) -> bytes:
    """Quoted date-time of INTERNALDATE and SAVEDATE, in UTC (RFC 3501 §9)."""
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    text = f'"{day:2}-{MONTHS[month - 1]}-{year:04} {hour:02}:{minute:02}:{second:02} +0000"'
    return text.encode("ascii")


# --- status responses


def tagged(tag: str, status: str, text: str, code: str = "") -> bytes:
    """Line of OK, NO or BAD with an optional response code; always one line of printable ASCII.

    The tag "*" makes an untagged response. `code` has no brackets; `text` may be hostile, and is cut to MAX_TEXT.
    """
    text = text[:MAX_TEXT] or status.lower()
    line = f"{tag} {status} [{code}] {text}" if code else f"{tag} {status} {text}"
    if not (line.isascii() and line.isprintable()):
        line = _UNPRINTABLE.sub("?", line)
    return line.encode("ascii") + b"\r\n"


def untagged_ok(text: str, code: str = "") -> bytes:
    return tagged("*", "OK", text, code)


def bye(text: str, code: str = "") -> bytes:
    """BYE: the connection is closed after it (RFC 3501 §7.1.5)."""
    return tagged("*", "BYE", text, code)


def continuation(text: str = "") -> bytes:
    """Continuation request with a text (RFC 3501 §7.5)."""
    return b"+ " + _UNPRINTABLE.sub("?", text[:MAX_TEXT]).encode("ascii") + b"\r\n"


def challenge(octets: bytes) -> bytes:
    """Challenge of an authentication exchange in base64, which may be empty."""
    return b"+ " + binascii.b2a_base64(octets, newline=False) + b"\r\n"


# --- data about the server


def words(name: str, items: Iterable[str] = ()) -> bytes:
    """Untagged line of a name and printable words: CAPABILITY, ENABLED, QUOTAROOT without roots."""
    return _UNPRINTABLE.sub("?", " ".join(("*", name, *items))).encode("ascii") + b"\r\n"


def server_id(fields: Mapping[str, str] | None) -> bytes:
    """ID response; None is NIL (RFC 2971 §3.2)."""
    if not fields:
        return b"* ID NIL\r\n"
    pairs = b" ".join([string(part.encode()) for pair in fields.items() for part in pair])
    return b"* ID (%b)\r\n" % pairs


def quota(root: str, resources: Iterable[tuple[str, int, int]]) -> bytes:
    """QUOTA with name, usage and limit of each resource (RFC 9208 §4.2.1)."""
    parts = " ".join([f"{name} {usage} {limit}" for name, usage, limit in resources])
    return b"* QUOTA %b (%b)\r\n" % (string(root.encode()), parts.encode("ascii"))


def quota_root(folder: str, roots: Iterable[str], *, utf8: bool = False) -> bytes:
    """QUOTAROOT (RFC 9208 §4.2.2)."""
    parts = [mailbox_name(folder, utf8=utf8), *[string(root.encode()) for root in roots]]
    return b"* QUOTAROOT %b\r\n" % b" ".join(parts)


# --- data about mailboxes


def flags(names: Iterable[str]) -> bytes:
    """FLAGS (RFC 3501 §7.2.6)."""
    return f"* FLAGS ({' '.join(names)})\r\n".encode("ascii")


def exists(count: int) -> bytes:
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    return b"* %d RECENT\r\n" % count


def expunge(number: int) -> bytes:
    return b"* %d EXPUNGE\r\n" % number


def vanished(uids: str, *, earlier: bool = False) -> bytes:
    """VANISHED with a formatted set of UIDs (RFC 7162 §3.2.10)."""
    return f"* VANISHED {'(EARLIER) ' if earlier else ''}{uids}\r\n".encode("ascii")


def list_line(
    attributes: Iterable[str],
    name: str,
    *,
    utf8: bool = False,
    command: str = "LIST",
    child_info: Sequence[str] = (),
    old_name: str | None = None,
) -> bytes:
    """LIST or LSUB with its attributes (RFC 3501 §7.2.2).

    `child_info` are the selection options of CHILDINFO (RFC 5258 §4), `old_name` is OLDNAME (RFC 9051 §6.3.9.7).
    """
    line = f'* {command} ({" ".join(attributes)}) "/" '.encode("ascii") + mailbox_name(name, utf8=utf8)
    extended = []
    if child_info:
        options = " ".join([f'"{option}"' for option in child_info])
        extended.append(f'"CHILDINFO" ({options})'.encode("ascii"))
    if old_name is not None:
        extended.append(b'"OLDNAME" (%b)' % mailbox_name(old_name, utf8=utf8))
    return line + (b" (%b)" % b" ".join(extended) if extended else b"") + b"\r\n"


def list_separator(command: str = "LIST") -> bytes:
    """Response to a LIST or LSUB with an empty pattern: separator and root."""
    return f'* {command} (\\Noselect) "/" ""\r\n'.encode("ascii")


def status(name: str, items: Iterable[tuple[str, object]], *, utf8: bool = False) -> bytes:
    """STATUS with its items; values are numbers or ready-made text (RFC 3501 §7.2.4)."""
    values = " ".join([f"{item} {value}" for item, value in items])
    return b"* STATUS %b (%b)\r\n" % (mailbox_name(name, utf8=utf8), values.encode("ascii"))


# --- results of SEARCH and SORT


def numbers(name: str, found: Sequence[int], modseq: int | None = None) -> bytes:
    """SEARCH or SORT with message numbers or UIDs; `modseq` for a search by MODSEQ (RFC 7162 §3.1.5)."""
    line = " ".join(["*", name, *map(str, found)])
    return (line if modseq is None or not found else f"{line} (MODSEQ {modseq})").encode("ascii") + b"\r\n"


def format_ordered(numbers: Sequence[int]) -> str:
    """Numbers in their order, with ranges for runs of ascending ones, such as "5,1:3"."""
    parts: list[str] = []
    first = last = 0
    for number in (*numbers, 0):
        if first and number == last + 1:
            last = number
            continue
        if first:
            parts.append(str(first) if first == last else f"{first}:{last}")
        first = last = number
    return ",".join(parts)


def search_update(tag: str, change: str, pairs: Sequence[tuple[int, str]], *, by_uid: bool) -> bytes:
    """ESEARCH with changes of an earlier result (RFC 5267 §4.3).

    `change` is ADDTO or REMOVEFROM; `pairs` are positions and formatted sets, applied in their order.
    """
    changes = " ".join([f"{position} {numbers}" for position, numbers in pairs])
    uid = "UID " if by_uid else ""
    return f"* ESEARCH (TAG {string(tag.encode()).decode()}) {uid}{change} ({changes})\r\n".encode("ascii")


def esearch(
    tag: str,
    *,
    by_uid: bool,
    minimum: int | None = None,
    maximum: int | None = None,
    count: int | None = None,
    all_numbers: Sequence[int] | None = None,
    partial: tuple[tuple[int, int], str] | None = None,
    modseq: int | None = None,
    is_sorted: bool = True,
) -> bytes:
    """ESEARCH with the given results; None leaves one out (RFC 4731 §3.1).

    ALL is left out when nothing was found. `partial` is the range and the formatted set of RFC 9394 §3.1; "" is NIL.
    Without `is_sorted`, numbers keep their order, as SORT requires (RFC 5267 §4.3).
    """
    parts = [f"* ESEARCH (TAG {string(tag.encode()).decode()})"]
    parts += ["UID"] if by_uid else []
    results = (("MIN", minimum), ("MAX", maximum), ("COUNT", count))
    parts += [f"{name} {value}" for name, value in results if value is not None]
    if all_numbers:
        parts.append(f"ALL {format_set(all_numbers) if is_sorted else format_ordered(all_numbers)}")
    if partial is not None:
        (first, last), found = partial
        parts.append(f"PARTIAL ({first}:{last} {found or 'NIL'})")
    parts += [f"MODSEQ {modseq}"] if modseq is not None else []
    return " ".join(parts).encode("ascii") + b"\r\n"
