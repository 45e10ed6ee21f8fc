"""One thing that was looked at, what was found, and what to do about it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["good", "warning", "broken"]
"""`broken` would keep the server from working; `warning` may be meant so, or could not be found out."""


class Finding(Struct, frozen=True):
    """A line of `mailstack check`."""

    part: str
    """What was looked at: `configuration`, `certificate`, `listen.mx`, `dns home.test` …"""
    verdict: Verdict
    text: str
    """What was found; when it isn't good also what to do."""


def good(part: str, text: str) -> Finding:
    return Finding(part, "good", text)


def warning(part: str, text: str) -> Finding:
    return Finding(part, "warning", text)


def broken(part: str, text: str) -> Finding:
    return Finding(part, "broken", text)
