"""Parsed letters for display: fields, text, parts, links and codes.

`parse` never raises, whatever the octets are: what can't be understood is shown as well as it can be, or left out. All of it
is bounded by Limits, and takes time in proportion to the letter's size.
"""

from __future__ import annotations

from mailstack.letter.parsed.links import Link, Unsubscribe
from mailstack.letter.parsed.mime_tree import Part
from mailstack.letter.parsed.parsed_letter import Limits, ParsedLetter, parse

__all__ = ["Limits", "Link", "ParsedLetter", "Part", "Unsubscribe", "parse"]
