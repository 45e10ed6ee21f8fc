"""Checks of `mailstack check`, and their findings."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["good", "warning", "broken"]
"""Severity: `broken` keeps the server from working; `warning` may be intended, or could not be checked."""


class Finding(Struct, frozen=True):
    """Result of one check: a row of `mailstack check`."""

    part: str
    """Checked part: `configuration`, `certificate`, `listen.mx`, `dns home.test` …"""
    verdict: Verdict
    text: str
    """Result, with a remedy unless it is good."""


def good(part: str, text: str) -> Finding:
    return Finding(part, "good", text)


def warning(part: str, text: str) -> Finding:
    return Finding(part, "warning", text)


def broken(part: str, text: str) -> Finding:
    return Finding(part, "broken", text)
