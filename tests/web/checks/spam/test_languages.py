"""Responses of spamd and rspamd, filter addresses, and checks of a dev environment."""

from __future__ import annotations

import json
import socket
from pathlib import Path

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
from tests.journeys.dev import DevProcess
from tests.journeys.mailpit import Mailpit
from tests.web.checks.spam.fakes import CHECKED, fake_rspamd, fake_spamd, report


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
def test_invalid_report_of_spamd_is_refused(octets: bytes, reason: str) -> None:
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
def test_invalid_response_of_rspamd_is_refused(octets: bytes) -> None:
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
            "", "spamassassin", "spamassassin:", "other:127.0.0.1:1", "spamassassin:192.0.2.1:783",
            "rspamd:http://a.test",
        ),
        *("spamassassin:127.0.0.1:99999", "rspamd:http://127.0.0.1/x", "rspamd:u@127.0.0.1", "spamassassin:[::1"),
    ],
)  # fmt: skip
def test_invalid_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"spam filter|invalid host"):
        parse_filter(text)


def sent(dev: DevProcess, words: str) -> str:
    """The letter's id in Mailpit's API."""
    dev.capture(f"Subject: x\r\n\r\n{words}\r\n".encode(), "c@d.test")
    return str(dev.api("GET", "api/v1/message/latest")["ID"])


def test_spamassassin_is_asked(tmp_path: Path) -> None:
    with fake_spamd() as port, Mailpit(tmp_path, "--spam-filter", f"spamassassin:127.0.0.1:{port}") as dev:
        assert dev.get("api/v1/webui")["SpamAssassin"] is True
        found = dev.get(f"api/v1/message/{sent(dev, 'an offer')}/sa-check")
        assert (found["Error"], found["IsSpam"], found["Score"]) == ("", True, 7.4)
        assert [rule["Name"] for rule in found["Rules"]] == ["MISSING_DATE", "DKIM_VALID", "OFFER"]
        kind = dev.get(f"v1/letters/{sent(dev, 'kind words')}/checks/spam")
        assert (kind["Error"], kind["IsSpam"], kind["Score"]) == ("", False, 0.1)
        silence = dev.get(f"v1/letters/{sent(dev, 'silence')}/checks/spam")
        assert silence["Error"] == f"spamassassin at 127.0.0.1 port {port}: invalid response of SpamAssassin's spamd"


def test_rspamd_is_asked(tmp_path: Path) -> None:
    with fake_rspamd() as port, DevProcess(tmp_path, "--spam-filter", f"rspamd:http://127.0.0.1:{port}") as dev:
        offer = dev.api("GET", f"v1/letters/{sent(dev, 'an offer')}/checks/spam")
        assert (offer["Error"], offer["IsSpam"], offer["Score"], offer["Rules"][0]["Name"]) == ("", True, 8.5, "OFFER")
        other = dev.api("GET", f"api/v1/message/{sent(dev, 'else')}/sa-check")
        assert other["Error"] == f"rspamd at 127.0.0.1 port {port}: it responded 404"


def test_unreachable_filter_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with DevProcess(tmp_path, "--spam-filter", f"spamassassin:127.0.0.1:{port}") as dev:
        assert "refused" in dev.api("GET", f"v1/letters/{sent(dev, 'x')}/checks/spam")["Error"]
