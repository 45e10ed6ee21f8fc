"""Parsed letters for display: fields, text, parts, links and codes.

`parse` never raises: malformed parts are shown as well as possible, or left out. Limits bound all results, and the time
is proportional to the letter's size.
"""

from __future__ import annotations

from mailstack.letter.parsed.calendar import CalendarEvent
from mailstack.letter.parsed.links import Link, Unsubscribe
from mailstack.letter.parsed.mime_tree import Part
from mailstack.letter.parsed.parsed_letter import Limits, ParsedLetter, parse

__all__ = ["CalendarEvent", "Limits", "Link", "ParsedLetter", "Part", "Unsubscribe", "parse"]
