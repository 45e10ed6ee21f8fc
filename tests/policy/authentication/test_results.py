"""Authentication-Results: own fields, and forged ones."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.header import fields
from mailstack.policy.authentication.results import AuthFinding, remove_results_of, results

ID = "mx.home.test"


def test_the_field() -> None:
    """AR-01: RFC 8601 §2.2."""
    findings = [
        AuthFinding("spf", "pass", (("smtp.mailfrom", "other.test"),)),
        AuthFinding("dkim", "fail", (), "it was changed"),
    ]
    assert results(ID, findings) == (
        b"Authentication-Results: mx.home.test;\r\n\tspf=pass smtp.mailfrom=other.test;\r\n"
        b'\tdkim=fail reason="it was changed"\r\n'
    )
    assert results(ID, []) == b"Authentication-Results: mx.home.test; none\r\n"


@given(st.text(max_size=400), st.text(max_size=400))
def test_hostile_text_stays_one_token(value: str, reason: str) -> None:
    """AR-02: nobody writes another result, or another field, by a name that he has."""
    field = results(ID, [AuthFinding("spf", "fail", (("smtp.helo", value),), reason)])
    assert field.count(b"\r\n") == 2
    assert field.count(b";") == 1
    assert max(map(len, field.split(b"\r\n"))) < 998
    assert field.isascii()
    assert len(list(fields(field))) == 1


@pytest.mark.parametrize(
    "body",
    [
        "mx.home.test; spf=pass", "MX.Home.Test;spf=pass", "mx.home.test", "mx.home.test 1; spf=pass",
        " mx.home.test.; spf=pass", "\r\n\tmx.home.test;\r\n spf=pass", "(a) mx.home.test; spf=pass",
        "(a (b) \\) c)(d)mx.home.test(e); spf=pass", "((((((((((((x)))))))))))) mx.home.test; spf=pass",
        '"mx.home.test"; spf=pass', '"mx.\\home.test" 1; spf=pass',
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["Authentication-Results:", "authentication-results :", "AUTHENTICATION-RESULTS\t:"])
def test_forged_ones_are_taken_out(name: str, body: str) -> None:
    """AR-02: RFC 8601 §5, however it is written."""
    section = f"A: b\r\n{name}{body}\r\nC: d\r\n".encode()
    assert remove_results_of(ID, section) == b"A: b\r\nC: d\r\n"


@pytest.mark.parametrize(
    "field",
    [
        "Authentication-Results: mx.other.test; spf=pass",
        "Authentication-Results: mx.home.test.evil; spf=pass",
        "X-Authentication-Results: mx.home.test; spf=pass",
        "ARC-Authentication-Results: i=1; mx.home.test; spf=pass",
        "Authentication-Results: ; mx.home.test",
        "Subject: Authentication-Results: mx.home.test",
    ],
)
def test_others_stay_octet_for_octet(field: str) -> None:
    """AR-02: signatures may cover them."""
    section = f"{field}\r\nC:  d \r\n".encode()
    assert remove_results_of(ID, section) == section


@given(st.binary(max_size=300))
def test_any_section_is_read(octets: bytes) -> None:
    field = b"Authentication-Results:" + octets
    assert len(remove_results_of(ID, field)) <= len(field)


@pytest.mark.parametrize("body", [b"(\\" * 120_000, b"(" * 240_000, b"(a" * 120_000, b"()" * 120_000, b'"\\' * 120_000])
def test_what_stands_before_the_name_costs_no_more_than_its_octets(body: bytes) -> None:
    """AR-02: one such field held the server up for hours, before anything was known of its sender."""
    section = b"Authentication-Results: " + body + b"\r\n"
    began = time.process_time()
    remove_results_of(ID, section)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("body", [b"(mx.home.test", b"(a (b) mx.home.test", b"(\\) mx.home.test"])
def test_a_comment_without_an_end_hides_nothing(body: bytes) -> None:
    """AR-02."""
    assert remove_results_of(ID, b"Authentication-Results: " + body + b"\r\n") == b""
