"""iCalendar parser for the events of invitations (RFC 5545, RFC 5546)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from msgspec import Struct

from mailstack.letter.charsets import text_of

MAX_CALENDAR = 262_144
"""Maximum octets of one calendar."""
MAX_EVENTS = 20
"""Maximum events of one calendar."""
MAX_VALUE = 1000
"""Maximum characters of a value."""

_FOLD = re.compile(rb"\r?\n[ \t]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_OUTSIDE = re.compile(r'"|[;:]')
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)
_DURATION = re.compile(
    r"\+?P(?:(\d{1,3})W|(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?)", re.ASCII
)


class CalendarTime(Struct, frozen=True):
    """Start or end of an event."""

    at: datetime | date
    """Wall clock in the zone, without an offset; a date for whole days."""
    zone: str = ""
    """TZID as written, "UTC", or "" for the local time of the reader (RFC 5545 §3.3.5)."""


class CalendarEvent(Struct, frozen=True):
    """One event (VEVENT); texts are as the author wrote them."""

    method: str
    """Method in upper case, such as "REQUEST", "CANCEL" or "REPLY"; "" if absent (RFC 5546 §1.4)."""
    summary: str
    location: str
    organizer: str
    """Address, or another URI."""
    organizer_name: str
    start: CalendarTime | None
    end: CalendarTime | None
    """Exclusive (RFC 5545 §3.6.1)."""
    is_recurring: bool


class _ContentLine(Struct, frozen=True):
    """Content line: name, parameters and value (RFC 5545 §3.1)."""

    name: str
    parameters: dict[str, str]
    value: str


def parse_calendar(octets: bytes, charset: str = "utf-8") -> tuple[CalendarEvent, ...]:
    """Events of a calendar, in order; invalid lines are omitted. Never raises. The time is linear."""
    text = text_of(_FOLD.sub(b"", octets[:MAX_CALENDAR]), charset)
    method = ""
    found: list[CalendarEvent] = []
    lines = _lines(text)
    for line in lines:
        value = line.value.strip().upper()
        if line.name == "METHOD":
            method = value[:MAX_VALUE]
        elif (line.name, value) == ("BEGIN", "VEVENT"):
            if (properties := _properties(lines)) is None:
                break
            found.append(_event(properties, method))
            if len(found) == MAX_EVENTS:
                break
    return tuple(found)


def _properties(lines: Iterator[_ContentLine]) -> dict[str, _ContentLine] | None:
    """First property of each name up to the end of the event, without those of its alarms; None if it has no end."""
    found: dict[str, _ContentLine] = {}
    inner = 0  # open components in the event
    for line in lines:
        if line.name == "BEGIN":
            inner += 1
        elif line.name == "END":
            if not inner:
                return found
            inner -= 1
        elif not inner:
            found.setdefault(line.name, line)
    return None


def _event(lines: dict[str, _ContentLine], method: str) -> CalendarEvent:
    start = _time(lines.get("DTSTART"))
    organizer = lines.get("ORGANIZER")
    address = "" if organizer is None else organizer.value.strip()[:MAX_VALUE]
    return CalendarEvent(
        method=method,
        summary=_text(lines.get("SUMMARY")),
        location=_text(lines.get("LOCATION")),
        organizer=address[7:] if address[:7].lower() == "mailto:" else address,
        organizer_name="" if organizer is None else organizer.parameters.get("CN", "")[:MAX_VALUE],
        start=start,
        end=_time(lines["DTEND"]) if "DTEND" in lines else _after(start, lines.get("DURATION")),
        is_recurring="RRULE" in lines or "RDATE" in lines,
    )


def _lines(text: str) -> Iterator[_ContentLine]:
    for line in re.split(r"\r?\n", text):
        name = _NAME.match(line)
        if name is not None and (parsed := _content_line(name[0].upper(), line, name.end())) is not None:
            yield parsed


def _content_line(name: str, line: str, start: int) -> _ContentLine | None:
    """The line after its name; None without a value. Quoted parameter values may contain colons (RFC 5545 §3.2)."""
    parameters: dict[str, str] = {}
    is_quoted = False
    begin = start
    for separator in _OUTSIDE.finditer(line, start):
        at = separator.start()
        if separator[0] == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            if at > begin:
                key, _, value = line[begin + 1 : at].partition("=")
                parameters.setdefault(key.strip().upper(), value.replace('"', "").strip())
            elif at != start:
                return None
            if separator[0] == ":":
                return _ContentLine(name, parameters, line[at + 1 :])
            begin = at
    return None


def _text(line: _ContentLine | None) -> str:
    """Unescaped TEXT value (RFC 5545 §3.3.11)."""
    if line is None:
        return ""
    value = line.value[: 2 * MAX_VALUE]
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value).strip()[:MAX_VALUE]


def _time(line: _ContentLine | None) -> CalendarTime | None:
    """DATE or DATE-TIME value (RFC 5545 §3.3.4, §3.3.5); None for an invalid one."""
    found = None if line is None else _TIME.fullmatch(line.value.strip())
    if found is None or line is None:
        return None
    year, month, day = map(int, found.groups()[:3])
    try:
        if found[4] is None:
            return CalendarTime(date(year, month, day))
        # A leap second has no datetime.
        at = datetime(year, month, day, int(found[4]), int(found[5]), min(int(found[6]), 59))  # noqa: DTZ001
    except ValueError:
        return None
    return CalendarTime(at, "UTC" if found[7] else line.parameters.get("TZID", "")[:MAX_VALUE])


def _after(start: CalendarTime | None, duration: _ContentLine | None) -> CalendarTime | None:
    """End of an event with a DURATION (RFC 5545 §3.3.6); None without one."""
    found = None if duration is None else _DURATION.fullmatch(duration.value.strip().upper())
    if start is None or found is None:
        return None
    weeks, days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    span = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        return CalendarTime(start.at + span, start.zone)
    except OverflowError:
        return None
