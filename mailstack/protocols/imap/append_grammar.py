"""Grammar of APPEND and REPLACE (RFC 3501 §6.3.11, RFC 3502, RFC 8508)."""

from __future__ import annotations

import calendar
import datetime as dt
import re

from mailstack.protocols.imap.commands import Append, AppendedMessage, Replace
from mailstack.protocols.imap.search_grammar import MONTH_NUMBERS
from mailstack.protocols.imap.tokenizer import MAX_NUMBER, CommandReader, ImapGrammarError

LITERAL_AT_END = re.compile(rb"(~?)\{([0-9]{1,20})(\+?)\}\Z")
"""Announcement of a literal, at the end of a line: literal8, octets, whether it is non-synchronizing."""

_DATE_TIME = re.compile(
    rb'"([0-9 ][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-5][0-9])"'
)
_UTF8 = re.compile(rb"UTF8 \((?=~\{)", re.IGNORECASE)


def append(reader: CommandReader, tag: str) -> Append:
    reader.space()
    folder = reader.folder()
    return Append(tag, folder, appended_message(reader))


def replace(reader: CommandReader, tag: str, *, by_uid: bool = False) -> Replace:
    """REPLACE with a number or `*` (RFC 8508 §3.3)."""
    reader.space()
    number = 0 if reader.skip(b"*") else reader.number("a message number", least=1)
    reader.space()
    folder = reader.folder()
    return Replace(tag, number, folder, appended_message(reader), by_uid)


def appended_message(reader: CommandReader) -> AppendedMessage:
    """Blank, flags, date-time and announcement of one message, up to the end of the octets.

    The announcement in UTF8 (…) is followed by a closing parenthesis (RFC 6855 §4); see `is_in_utf8`.
    """
    reader.space()
    flags: tuple[str, ...] = ()
    if reader.is_next(b"("):
        flags = reader.flags()
        reader.space()
    internal_date: float | None = None
    if reader.is_next(b'"'):
        internal_date = _date_time(reader)
        reader.space()
    if _UTF8.match(reader.octets, reader.at):
        reader.at += len(b"UTF8 (")
    binary, digits, plus = reader.match(LITERAL_AT_END, "a message literal").groups()
    size = int(digits)
    if size > MAX_NUMBER:
        raise ImapGrammarError("the literal is too long")
    return AppendedMessage(size, flags, internal_date, bool(binary), not plus)


def is_in_utf8(line: bytes) -> bool:
    """Whether the message literal that a line announces stands in UTF8 (…)."""
    return line[: line.rfind(b"~")].upper().endswith(b"UTF8 (")


def _date_time(reader: CommandReader) -> float:
    """Seconds since 1970 of a date-time (RFC 3501 §9)."""
    day, month, year, hour, minute, second, sign, hours, minutes = reader.match(_DATE_TIME, "a date-time").groups()
    try:
        # A leap second is the second before it.
        time = dt.time(int(hour), int(minute), min(int(second), 59))
        date = dt.date(int(year), MONTH_NUMBERS[month.upper()], int(day))
    except (KeyError, ValueError):
        raise ImapGrammarError("the date-time is invalid") from None
    offset = int(hours) * 3600 + int(minutes) * 60
    if int(second) > 60 or offset >= 24 * 3600:
        raise ImapGrammarError("the date-time is invalid")
    seconds = calendar.timegm((*date.timetuple()[:3], time.hour, time.minute, time.second))
    return float(seconds + offset if sign == b"-" else seconds - offset)
