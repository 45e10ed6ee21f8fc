"""Answers of spam filters: whatever comes, it is a verdict within its limits, or no answer of theirs."""

from __future__ import annotations

import json
import math

from mailstack.web.checks.spam import (
    MAX_RULES,
    MAX_TEXT,
    BadFilterResponse,
    SpamVerdict,
    parse_filter,
    parse_rspamd_response,
    parse_spamd_report,
)
from tests.parsers.parser import Parser, text, unless
from tests.web.checks.spam.fakes import CHECKED, report


def _is_bounded(verdict: SpamVerdict) -> None:
    assert len(verdict.rules) <= MAX_RULES
    assert all(len(rule.name) <= MAX_TEXT and len(rule.description) <= MAX_TEXT for rule in verdict.rules)
    assert all(math.isfinite(score) for score in (verdict.score, *(rule.score for rule in verdict.rules)))


@unless(BadFilterResponse)
def _report(octets: bytes) -> None:
    _is_bounded(parse_spamd_report(octets))


@unless(BadFilterResponse)
def _checked(octets: bytes) -> None:
    _is_bounded(parse_rspamd_response(octets))


@unless(ValueError)
def _filter(octets: bytes) -> None:
    assert parse_filter(text(octets)).address.host


PARSERS = (
    Parser("spamd", ("web.checks.spam",), _report, (report(), report("x", "no;1/2"), b"SPAMD/1.0 76 Bad\r\n")),
    Parser("rspamd", ("web.checks.spam",), _checked, (json.dumps(CHECKED).encode(), b'{"score": 1e400, "action": ""}')),
    Parser(
        "spam-filter", ("web.checks.spam",), _filter, (b"spamassassin:127.0.0.1:783", b"rspamd:http://[::1]:11333/")
    ),
)
