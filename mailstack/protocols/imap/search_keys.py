"""Search keys and sort keys of IMAP (RFC 3501 §6.4.4, RFC 4731, RFC 5256)."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from mailstack.protocols.imap.sequence_set import SequenceSet


class FlagKey(Struct, frozen=True):
    """ANSWERED … UNSEEN, KEYWORD and UNKEYWORD."""

    flag: str
    r"""Flag such as "\Seen", or a keyword."""
    present: bool = True


class RecentKey(Struct, frozen=True):
    r"""RECENT, OLD; NEW is And((RecentKey(), FlagKey("\Seen", False)))."""

    present: bool = True


class DateKey(Struct, frozen=True):
    """BEFORE, ON, SINCE with their SENT and SAVED forms (RFC 8514)."""

    source: str
    """"internal", "sent" or "saved"."""
    relation: str
    """"before", "on" or "since"."""
    day: dt.date


class AgeKey(Struct, frozen=True):
    """OLDER and YOUNGER (RFC 5032)."""

    seconds: int
    is_older: bool


class SizeKey(Struct, frozen=True):
    """LARGER and SMALLER."""

    octets: int
    is_larger: bool


class HeaderKey(Struct, frozen=True):
    """HEADER, BCC, CC, FROM, SUBJECT, TO: substring of a decoded header field."""

    field: str
    """Field name in lower case."""
    text: str
    """"" matches every message with the field."""


class TextKey(Struct, frozen=True):
    """BODY and TEXT: substring of decoded text."""

    text: str
    with_header: bool
    """TEXT searches the header section, too."""


class NumberKey(Struct, frozen=True):
    """Sequence set, and UID."""

    numbers: SequenceSet
    by_uid: bool = False


class ModseqKey(Struct, frozen=True):
    """MODSEQ (RFC 7162 §3.1.5)."""

    modseq: int


class IdKey(Struct, frozen=True):
    """EMAILID and THREADID (RFC 8474 §5.3)."""

    kind: str
    """"emailid" or "threadid"."""
    value: str


class SaveDateKey(Struct, frozen=True):
    """SAVEDATESUPPORTED (RFC 8514 §4.3): matches every message here."""


class And(Struct, frozen=True):
    """All of `keys`; empty for ALL."""

    keys: tuple[SearchKey, ...] = ()


class Or(Struct, frozen=True):
    """OR."""

    first: SearchKey
    second: SearchKey


class Not(Struct, frozen=True):
    """NOT."""

    key: SearchKey


SearchKey = (
    FlagKey
    | RecentKey
    | DateKey
    | AgeKey
    | SizeKey
    | HeaderKey
    | TextKey
    | NumberKey
    | ModseqKey
    | IdKey
    | SaveDateKey
    | And
    | Or
    | Not
)


class SearchReturn(Struct, frozen=True):
    """Return options of RETURN (RFC 4731 §3.1, RFC 5182, RFC 9394)."""

    options: tuple[str, ...]
    """MIN, MAX, ALL, COUNT, SAVE in upper case; RETURN () is ("ALL",)."""
    partial: tuple[int, int] | None = None
    """PARTIAL range; negative numbers count from the end."""
    updates: bool = False
    """UPDATE: changes of the result are reported (RFC 5267 §4.3)."""


class SortKey(Struct, frozen=True):
    """One criterion of SORT (RFC 5256 §3, RFC 5957)."""

    name: str
    """ARRIVAL, CC, DATE, DISPLAYFROM, DISPLAYTO, FROM, SIZE, SUBJECT or TO."""
    is_reverse: bool = False
