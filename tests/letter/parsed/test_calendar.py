"""Calendar invitations: content lines, times, nesting and bounds (RFC 5545)."""

# ruff: noqa: DTZ001  # wall clocks have no offset

from __future__ import annotations

import time
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.parsed import parse
from mailstack.letter.parsed.calendar import (
    MAX_CALENDAR,
    MAX_EVENTS,
    MAX_VALUE,
    CalendarEvent,
    CalendarTime,
    parse_calendar,
)


def event(*lines: str, method: str = "REQUEST") -> CalendarEvent:
    """The only event of a calendar with these lines."""
    whole = ["BEGIN:VCALENDAR", f"METHOD:{method}", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""]
    (found,) = parse_calendar("\r\n".join(whole).encode())
    return found


def test_an_invitation_has_title_times_place_organizer_and_method() -> None:
    found = event(
        "SUMMARY:Lunch\\, or tea",
        "DTSTART;TZID=Europe/Berlin:20261203T100000",
        "DTEND;TZID=Europe/Berlin:20261203T110000",
        "LOCATION:Room 1\\nSecond floor",
        'ORGANIZER;CN="Doe; Jane: boss":MAILTO:jane@home.test',
        "RRULE:FREQ=WEEKLY",
        method="request",
    )
    assert found == CalendarEvent(
        method="REQUEST",
        summary="Lunch, or tea",
        location="Room 1\nSecond floor",
        organizer="jane@home.test",
        organizer_name="Doe; Jane: boss",
        start=CalendarTime(datetime(2026, 12, 3, 10), "Europe/Berlin"),
        end=CalendarTime(datetime(2026, 12, 3, 11), "Europe/Berlin"),
        is_recurring=True,
    )


@pytest.mark.parametrize("fold", ["\r\n ", "\r\n\t", "\n "])
def test_folded_lines_are_joined_also_within_a_character(fold: str) -> None:
    """§3.1: lines are folded by octets."""
    octets = "BEGIN:VEVENT\r\nSUMMARY:Z\u00fcrich\r\nEND:VEVENT".encode()
    cut = octets.index(b"\xc3") + 1
    (found,) = parse_calendar(octets[:cut] + fold.encode() + octets[cut:])
    assert found.summary == "Z\u00fcrich"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DTSTART:20261203T100000Z", CalendarTime(datetime(2026, 12, 3, 10), "UTC")),
        ("DTSTART:20261203T100000", CalendarTime(datetime(2026, 12, 3, 10))),
        ("DTSTART;VALUE=DATE:20261203", CalendarTime(date(2026, 12, 3))),
        ("DTSTART:20261231T235960Z", CalendarTime(datetime(2026, 12, 31, 23, 59, 59), "UTC")),
        ("DTSTART:20261303T100000Z", None),
        ("DTSTART:00000101", None),
        ("DTSTART:2026-12-03", None),
        ("DTSTART:\u0662\u0660\u0662\u06661203", None),
        ("DTSTART", None),
        ("X-OTHER:20261203", None),
    ],
)
def test_a_start_is_a_time_a_day_or_nothing(line: str, expected: CalendarTime | None) -> None:
    """§3.3.4, §3.3.5"""
    assert event(line).start == expected


@pytest.mark.parametrize(
    ("duration", "end"),
    [
        ("PT1H30M", datetime(2026, 12, 3, 11, 30)),
        ("P1W", datetime(2026, 12, 10, 10)),
        ("+P1DT20S", datetime(2026, 12, 4, 10, 0, 20)),
        ("1H", None),
        ("P9999D", datetime(2054, 4, 19, 10)),
    ],
)
def test_a_duration_gives_the_end(duration: str, end: datetime | None) -> None:
    """§3.3.6"""
    found = event("DTSTART:20261203T100000Z", f"DURATION:{duration}").end
    assert (None if found is None else found.at) == end
    assert event("DTSTART:99991231T100000Z", "DURATION:P9999D").end is None


def test_an_alarm_is_no_part_of_its_event() -> None:
    found = event("BEGIN:VALARM", "SUMMARY:Alarm", "END:VALARM", "SUMMARY:Event", "SUMMARY:Again")
    assert found.summary == "Event"


def test_everything_is_bounded() -> None:
    one = b"BEGIN:VEVENT\r\nSUMMARY:" + b"x" * 5000 + b"\r\nEND:VEVENT\r\n"
    assert [len(each.summary) for each in parse_calendar(one)] == [MAX_VALUE]
    assert len(parse_calendar(b"BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 100)) == MAX_EVENTS
    assert parse_calendar(b" " * MAX_CALENDAR + one) == ()


@pytest.mark.parametrize(
    "part", [b'"', b";", b"A;", b"A:\n", b"BEGIN:VEVENT\n", b"\n ", b"SUMMARY:\\", b'A;B="c', b"\r\n\t"]
)
def test_no_calendar_takes_more_than_linear_time(part: bytes) -> None:
    begun = time.process_time()
    for head in (b"", b"BEGIN:VEVENT\nSUMMARY;"):
        parse_calendar(head + part * (MAX_CALENDAR // len(part)))
    assert time.process_time() - begun < 5, "quadratic time would be minutes"


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_octets_are_events(octets: bytes) -> None:
    for octets_in in (octets, b"BEGIN:VEVENT\r\n" + octets + b"\r\nEND:VEVENT"):
        assert len(parse_calendar(octets_in)) <= MAX_EVENTS


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=100))
def test_a_written_text_is_read_as_it_was(text: str) -> None:
    """§3.3.11"""
    escaped = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    assert event(f"SUMMARY:{escaped}").summary == text


def test_a_calendar_that_is_there_twice_is_one_event() -> None:
    """Invitations have it as an alternative, and as a file."""
    calendar = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Tea\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    parts = "".join(
        f"--b\r\nContent-Type: {kind}\r\n\r\n{calendar}" for kind in ("text/calendar", "application/ics", "text/plain")
    )
    letter = parse(f'Content-Type: multipart/mixed; boundary="b"\r\n\r\n{parts}--b--\r\n'.encode())
    assert [each.summary for each in letter.events] == ["Tea"]
