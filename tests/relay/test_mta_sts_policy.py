"""MTA-STS records and policies as domains write them: right, odd, hostile."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.relay.mta_sts import MAX_AGE_S, Mode, NotAPolicy, StsPolicy, read_policy, record_id

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmx: *.Example.net\r\nmax_age: 604800\r\n"


def test_a_policy_is_read() -> None:
    """RLY-21: the example of RFC 8461 §3.2."""
    assert read_policy(GOOD) == StsPolicy(Mode.ENFORCE, 604800, ("mail.example.test", "*.example.net"))


@pytest.mark.parametrize(
    "octets",
    [
        GOOD.replace(b"\r\n", b"\n"),
        GOOD.rstrip(),
        GOOD.replace(b": ", b" :\t"),
        GOOD + b"x-future: \xc3\xbc\r\n\r\nmode: none\r\nmax_age: 1\r\n",
        b"max_age: 604800\nmx: mail.example.test\nmx:*.example.net\nmode: enforce\nversion: STSv1",
    ],
)
def test_line_ends_order_and_unknown_fields_do_not_matter(octets: bytes) -> None:
    """RLY-21: of a field that stands there twice, the first counts (§3.2)."""
    assert read_policy(octets) == read_policy(GOOD)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"<html>",
        GOOD.replace(b"STSv1", b"STSv2"),
        GOOD.replace(b"version: STSv1\r\n", b""),
        GOOD.replace(b"enforce", b"perhaps"),
        GOOD.replace(b"mode: enforce\r\n", b""),
        GOOD.replace(b"604800", b"-1"),
        GOOD.replace(b"604800", b"99999999999"),
        GOOD.replace(b"max_age: 604800\r\n", b""),
        b"version: STSv1\nmode: enforce\nmax_age: 5\n",
        GOOD.replace(b"mail.example.test", b"*.*.test"),
        GOOD.replace(b"mail.example.test", b"mail example"),
        GOOD + b"mx: a.test\n" * 200,
    ],
)
def test_what_is_no_policy_is_none(octets: bytes) -> None:
    with pytest.raises(NotAPolicy):
        read_policy(octets)


def test_no_host_is_needed_where_nothing_is_asked_and_an_age_is_cut() -> None:
    policy = read_policy(b"version: STSv1\nmode: none\nmax_age: 9999999999\n")
    assert policy == StsPolicy(Mode.NONE, MAX_AGE_S, ())


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("mail.example.test", True),
        ("MAIL.example.TEST.", True),
        ("a.example.net", True),
        ("example.net", False),
        ("a.b.example.net", False),
        ("mail.example.test.evil.test", False),
        ("", False),
    ],
)
def test_a_wildcard_stands_for_one_label(host: str, *, named: bool) -> None:
    """RLY-21: §4.1."""
    assert read_policy(GOOD).matches(host) is named


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v=spf1 -all", "v=STSv1; x-y=z; id=7 ;"], "7"),
        ([], None),
        (["v=STSv1; id=1", "v=STSv1; id=2"], None),
        (["v=STSv1"], None),
        (["v=STSv1;"], None),
        (["v=STSv1; id="], None),
        (["v=STSv1; id=a-b"], None),
        (["v=STSv1; id=" + "1" * 33], None),
        (["v=STSv1; nonsense; id=1"], None),
        (["v=STSv2; id=1"], None),
        ([" v=STSv1; id=1"], None),
    ],
)
def test_the_id_of_exactly_one_good_record_counts(texts: list[str], found: str | None) -> None:
    """RLY-21: §3.1."""
    assert record_id(texts) == found


@given(st.binary(max_size=300) | st.builds(lambda a, b: GOOD[: len(GOOD) // 2] + a + b, st.binary(), st.just(GOOD)))
def test_no_octets_make_it_raise_anything_else(octets: bytes) -> None:
    with contextlib.suppress(NotAPolicy):
        policy = read_policy(octets)
        assert 0 <= policy.max_age <= MAX_AGE_S
        assert all(host == host.lower() and " " not in host for host in policy.mx)


@given(st.lists(st.text(max_size=60) | st.builds("v=STSv1;{}".format, st.text(max_size=40)), max_size=3))
def test_no_record_makes_it_raise(texts: list[str]) -> None:
    found = record_id(texts)
    assert found is None or found.isalnum()


@given(st.text(max_size=80))
def test_no_host_name_makes_it_raise(host: str) -> None:
    assert read_policy(GOOD).matches(host) in {True, False}


def test_a_policy_costs_no_more_than_its_octets() -> None:
    """RLY-21: blanks within a line held the server up for eight seconds, for each domain that published them."""
    began = time.process_time()
    policy = read_policy(b"version: STSv1\nmode: enforce\nmax_age: 1\nmx: mx.test  \nx: a" + b" " * 65_000 + b"b\n")
    assert policy.mx == ("mx.test",)
    assert time.process_time() - began < 1.0
