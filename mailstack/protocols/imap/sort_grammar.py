"""Grammar of SEARCH, SORT and THREAD (RFC 4731, RFC 5256, RFC 9394)."""

from __future__ import annotations

import re

from mailstack.protocols.imap.commands import Search, Sort, Thread
from mailstack.protocols.imap.search_grammar import search_keys
from mailstack.protocols.imap.search_keys import SearchReturn, SortKey
from mailstack.protocols.imap.tokenizer import MAX_NUMBER, CommandReader, ImapGrammarError, ImpossibleCommand

MAX_CRITERIA = 20
"""Maximum criteria of one SORT."""

CHARSETS = frozenset({"UTF-8", "US-ASCII"})
"""Charsets of SEARCH; the texts of both are read as UTF-8."""

_PARTIAL = re.compile(rb"(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})(?![0-9])")
_OPTIONS = frozenset({"MIN", "MAX", "ALL", "COUNT", "SAVE"})
_HINTS = frozenset({"CONTEXT", "UPDATE"})
"""Options that ask for no result. CONTEXT needs no preparation here (RFC 5267 §4.2)."""
_CRITERIA = frozenset({"ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "SIZE", "SUBJECT", "TO"})


def search(reader: CommandReader, tag: str, *, by_uid: bool = False) -> Search:
    reader.space()
    returns = _returns(reader)
    charset = ""
    if reader.octets[reader.at : reader.at + 8].upper() == b"CHARSET ":
        reader.at += 8
        charset = _charset(reader)
        reader.space()
    return Search(tag, search_keys(reader), by_uid, charset, returns)


def sort(reader: CommandReader, tag: str, *, by_uid: bool = False) -> Sort:
    """SORT (RFC 5256 §3); its charset is mandatory."""
    reader.space()
    returns = _returns(reader)
    order = _criteria(reader)
    reader.space()
    charset = _charset(reader)
    reader.space()
    return Sort(tag, order, search_keys(reader), charset, by_uid, returns)


def thread(reader: CommandReader, tag: str, *, by_uid: bool = False) -> Thread:
    reader.space()
    algorithm = reader.word("an algorithm")
    reader.space()
    charset = _charset(reader)
    reader.space()
    return Thread(tag, algorithm, search_keys(reader), charset, by_uid)


def _charset(reader: CommandReader) -> str:
    """Charset as it was sent; raises ImpossibleCommand [BADCHARSET] for any but CHARSETS (RFC 3501 §6.4.4)."""
    charset = reader.text("a charset")
    if charset.upper() not in CHARSETS:
        raise ImpossibleCommand("the charset is not supported", "BADCHARSET (UTF-8 US-ASCII)")
    return charset


def _returns(reader: CommandReader) -> SearchReturn | None:
    """Return options with the blank after them (RFC 4731 §3.1, RFC 9394 §3.1)."""
    if reader.octets[reader.at : reader.at + 7].upper() != b"RETURN ":
        return None
    reader.at += 7
    reader.expect(b"(")
    options: dict[str, None] = {}
    partial: tuple[int, int] | None = None
    hints: set[str] = set()
    is_first = True
    while not reader.skip(b")"):
        if not is_first:
            reader.space()
        is_first = False
        option = reader.word("a return option")
        if option == "PARTIAL" and partial is None:
            reader.space()
            partial = _range(reader)
        elif option in _OPTIONS:
            options[option] = None
        elif option in _HINTS:
            hints.add(option)
        else:
            raise ImapGrammarError("the return option is unknown")
    reader.space()
    if partial is not None and "ALL" in options:
        raise ImapGrammarError("PARTIAL excludes ALL")
    return SearchReturn(tuple(options) or (() if partial or hints else ("ALL",)), partial, "UPDATE" in hints)


def _range(reader: CommandReader) -> tuple[int, int]:
    """Range of PARTIAL; both numbers have the same sign. Positive ones ascend (RFC 5267 §4.4)."""
    sign, first, other, last = reader.match(_PARTIAL, "a range").groups()
    low, high = int(first), int(last)
    if sign != other or max(low, high) > MAX_NUMBER:
        raise ImapGrammarError("the range is invalid")
    return (-low, -high) if sign else (min(low, high), max(low, high))


def _criteria(reader: CommandReader) -> tuple[SortKey, ...]:
    reader.expect(b"(")
    keys: list[SortKey] = []
    while True:
        name = reader.word("a sort criterion")
        is_reverse = name == "REVERSE"
        if is_reverse:
            reader.space()
            name = reader.word("a sort criterion")
        if name not in _CRITERIA:
            raise ImapGrammarError("the sort criterion is unknown")
        keys.append(SortKey(name, is_reverse))
        if len(keys) > MAX_CRITERIA:
            raise ImapGrammarError("SORT has too many criteria")
        if reader.skip(b")"):
            return tuple(keys)
        reader.space()
