"""Grammar of SEARCH keys (RFC 3501 §6.4.4, RFC 7162 §3.1.5, RFC 8514)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from mailstack.protocols.imap.search_keys import (
    AgeKey,
    And,
    DateKey,
    FlagKey,
    HeaderKey,
    IdKey,
    ModseqKey,
    Not,
    NumberKey,
    Or,
    RecentKey,
    SaveDateKey,
    SearchKey,
    SizeKey,
    TextKey,
)
from mailstack.protocols.imap.tokenizer import MAX_MODSEQ, MAX_NESTING, CommandReader, ImapGrammarError

MAX_KEYS = 1000
"""Maximum keys of one search, nested ones included."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_NUMBERS = {name.upper().encode("ascii"): number for number, name in enumerate(MONTHS, 1)}

_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')

_FLAGS = {
    "ANSWERED": "\\Answered",
    "DELETED": "\\Deleted",
    "DRAFT": "\\Draft",
    "FLAGGED": "\\Flagged",
    "SEEN": "\\Seen",
}
_CONSTANTS: dict[str, SearchKey] = {
    "ALL": And(),
    "NEW": And((RecentKey(), FlagKey("\\Seen", present=False))),
    "OLD": RecentKey(present=False),
    "RECENT": RecentKey(),
    "SAVEDATESUPPORTED": SaveDateKey(),
    **{name: FlagKey(flag) for name, flag in _FLAGS.items()},
    **{f"UN{name}": FlagKey(flag, present=False) for name, flag in _FLAGS.items()},
}


def search_keys(reader: CommandReader) -> SearchKey:
    """The keys up to the end of the command. Raises ImapGrammarError."""
    return _Keys(reader).several(0)


class _Keys:
    """Parser of search keys that counts them."""

    def __init__(self, reader: CommandReader) -> None:
        self.reader = reader
        self._left = MAX_KEYS

    def several(self, depth: int) -> SearchKey:
        """One or more keys, all of which match."""
        keys = [self.key(depth)]
        while self.reader.skip_space():
            keys.append(self.key(depth))
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def key(self, depth: int) -> SearchKey:
        self._left -= 1
        if self._left < 0:
            raise ImapGrammarError("the search has too many keys")
        if depth > MAX_NESTING:
            raise ImapGrammarError("the search is nested too deeply")
        reader = self.reader
        if reader.skip(b"("):
            key = self.several(depth + 1)
            reader.expect(b")")
            return key
        if reader.octets[reader.at : reader.at + 1] in _STARTS_OF_SETS:
            return NumberKey(reader.numbers())
        name = reader.word("a search key")
        constant = _CONSTANTS.get(name)
        if constant is not None:
            return constant
        reader.space()
        if name == "NOT":
            return Not(self.key(depth + 1))
        if name == "OR":
            first = self.key(depth + 1)
            reader.space()
            return Or(first, self.key(depth + 1))
        read = _READERS.get(name)
        if read is None:
            raise ImapGrammarError("the search key is unknown")
        return read(reader)


_STARTS_OF_SETS = frozenset([bytes([octet]) for octet in b"0123456789*$"])


def _header(reader: CommandReader) -> HeaderKey:
    field = reader.text("a field name").lower()
    reader.space()
    return HeaderKey(field, reader.text())


def _modseq(reader: CommandReader) -> ModseqKey:
    """MODSEQ; the name of a metadata item with its type is read and ignored (RFC 7162 §3.1.5)."""
    if reader.is_next(b'"'):
        reader.string()
        reader.space()
        if reader.word("PRIV, SHARED or ALL") not in {"PRIV", "SHARED", "ALL"}:
            raise ImapGrammarError("PRIV, SHARED or ALL is expected")
        reader.space()
    return ModseqKey(reader.number("a mod-sequence", most=MAX_MODSEQ))


def _day(reader: CommandReader) -> dt.date:
    found = reader.match(_DATE, "a date")
    try:
        return dt.date(int(found[4]), MONTH_NUMBERS[found[3].upper()], int(found[2]))
    except (KeyError, ValueError):
        raise ImapGrammarError("the date is invalid") from None


def _date_reader(source: str, relation: str) -> Callable[[CommandReader], SearchKey]:
    return lambda reader: DateKey(source, relation, _day(reader))


def _field_reader(field: str) -> Callable[[CommandReader], SearchKey]:
    return lambda reader: HeaderKey(field, reader.text())


_READERS: dict[str, Callable[[CommandReader], SearchKey]] = {
    "BODY": lambda reader: TextKey(reader.text(), with_header=False),
    "TEXT": lambda reader: TextKey(reader.text(), with_header=True),
    "HEADER": _header,
    "KEYWORD": lambda reader: FlagKey(reader.atom("a keyword")),
    "UNKEYWORD": lambda reader: FlagKey(reader.atom("a keyword"), present=False),
    "LARGER": lambda reader: SizeKey(reader.number(most=MAX_MODSEQ), is_larger=True),
    "SMALLER": lambda reader: SizeKey(reader.number(most=MAX_MODSEQ), is_larger=False),
    "OLDER": lambda reader: AgeKey(reader.number(least=1), is_older=True),
    "YOUNGER": lambda reader: AgeKey(reader.number(least=1), is_older=False),
    "UID": lambda reader: NumberKey(reader.numbers(), by_uid=True),
    "MODSEQ": _modseq,
    "EMAILID": lambda reader: IdKey("emailid", reader.atom("an id")),
    "THREADID": lambda reader: IdKey("threadid", reader.atom("an id")),
    **{name: _field_reader(name.lower()) for name in ("BCC", "CC", "FROM", "SUBJECT", "TO")},
    **{
        f"{prefix}{relation}": _date_reader(source, relation.lower())
        for prefix, source in (("", "internal"), ("SENT", "sent"), ("SAVED", "saved"))
        for relation in ("BEFORE", "ON", "SINCE")
    },
}
"""Readers of keys with arguments, after the blank."""
