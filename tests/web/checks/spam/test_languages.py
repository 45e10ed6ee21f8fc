"""What spamd and rspamd answer is read as they mean it; and where a filter may be."""

from __future__ import annotations

import json

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.web.checks.spam import (
    BadFilterResponse,
    SpamFilter,
    SpamRule,
    SpamVerdict,
    parse_filter,
    parse_rspamd_response,
    parse_spamd_report,
    spamd_request,
)
from tests.web.checks.spam.fakes import CHECKED, report


def test_spamd_is_asked_for_a_report() -> None:
    assert spamd_request(b"A: b\r\n\r\nc") == b"REPORT SPAMC/1.5\r\nContent-length: 9\r\n\r\nA: b\r\n\r\nc"


def test_a_report_has_a_score_and_the_rules_of_its_table() -> None:
    assert parse_spamd_report(report()) == SpamVerdict(
        "",
        is_spam=True,
        score=7.4,
        rules=(
            SpamRule(2.7, "MISSING_DATE", "Missing Date: header"),
            SpamRule(-0.1, "DKIM_VALID", "Message has at least one valid DKIM or DK signature"),
            SpamRule(5.0, "OFFER", "BODY: An offer that nobody can refuse"),
        ),
    )
    assert parse_spamd_report(report("own words", "False ; -1.5 / 5.0")) == SpamVerdict("", is_spam=False, score=-1.5)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "invalid response of"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "invalid response of"),
        (b"SPAMD/1.0 76 Bad header line: x\r\n", "76 Bad header line"),
        (report()[:-1], "truncated"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: True", "truncated"),
        (b"SPAMD/1.1 0 EX_OK\r\n\r\n", "no score"),
    ],
)
def test_what_is_no_report_is_told(octets: bytes, reason: str) -> None:
    with pytest.raises(BadFilterResponse, match=reason):
        parse_spamd_report(octets)


def test_rspamd_says_what_weighs_most_first() -> None:
    assert parse_rspamd_response(json.dumps(CHECKED).encode()) == SpamVerdict(
        "",
        is_spam=True,
        score=8.5,
        rules=(SpamRule(8.7, "OFFER", ""), SpamRule(-0.2, "R_SPF_ALLOW", "SPF allows [+ip4:192.0.2.1]")),
    )


@pytest.mark.parametrize(("action", "is_spam"), [("no action", False), ("greylist", False), ("reject", True)])
def test_rspamds_action_says_whether_it_is_spam(action: str, is_spam: bool) -> None:
    assert parse_rspamd_response(json.dumps({"score": 3, "action": action}).encode()).is_spam is is_spam


@pytest.mark.parametrize("octets", [b"", b"[]", b'{"error": "x"}', b'{"score": "3", "action": "reject"}', b"\xff"])
def test_what_rspamd_does_not_say_is_told(octets: bytes) -> None:
    with pytest.raises(BadFilterResponse):
        parse_rspamd_response(octets)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("spamassassin:127.0.0.1:783", SpamFilter("spamassassin", HostPort("127.0.0.1", 783))),
        ("spamassassin:localhost", SpamFilter("spamassassin", HostPort("127.0.0.1", 783))),
        ("rspamd:http://[::1]:1/", SpamFilter("rspamd", HostPort("::1", 1))),
        ("rspamd:127.0.0.1", SpamFilter("rspamd", HostPort("127.0.0.1", 11333))),
    ],
)
def test_a_filter_of_this_machine(text: str, found: SpamFilter) -> None:
    assert parse_filter(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "spamassassin",
            "spamassassin:",
            "other:127.0.0.1:1",
            "spamassassin:192.0.2.1:783",
            "rspamd:http://a.test",
        ),
        *("spamassassin:127.0.0.1:99999", "rspamd:http://127.0.0.1/x", "rspamd:u@127.0.0.1", "spamassassin:[::1"),
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"spam filter|not a host"):
        parse_filter(text)
