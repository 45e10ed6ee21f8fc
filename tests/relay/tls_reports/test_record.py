"""A TLSRPT record says who wants reports, or nothing (RFC 8460 §3)."""

from __future__ import annotations

import time

import pytest

from mailstack.relay.tls_reports.report import MAX_ADDRESSES, read_record


@pytest.mark.parametrize(
    ("texts", "uris"),
    [
        (["v=TLSRPTv1; rua=mailto:reports@example.com"], ["mailto:reports@example.com"]),
        (["v=TLSRPTv1;rua=https://r.example.com/v1/tlsrpt"], ["https://r.example.com/v1/tlsrpt"]),
        (
            ["v=TLSRPTv1; rua=mailto:a@x.test , https://r.x.test/ ;"],
            ["mailto:a@x.test", "https://r.x.test/"],
        ),
        (["v=TLSRPTv1; x=y; rua=mailto:a%2Bb@x.test"], ["mailto:a%2Bb@x.test"]),
        (["v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@x.test"], ["mailto:a@x.test"]),
        (["v=TLSRPTv1; rua=mailto:a@x.test", "v=TLSRPTv1; rua=mailto:b@x.test"], []),
        (["v=TLSRPTv1"], []),
        (["v=TLSRPTv2; rua=mailto:a@x.test"], []),
        (["v=TLSRPTv1; rua=http://x.test/"], []),
        (["v=TLSRPTv1; rua=ftp://x.test/,mailto:nobody,https://,https://u:p@x.test/,https://x.test:0/"], []),
        (["v=TLSRPTv1; rua=mailto:ä@x.test"], []),
        ([], []),
    ],
)
def test_a_record_names_those_who_want_reports(texts: list[str], uris: list[str]) -> None:
    assert [each.uri for each in read_record(texts)] == uris


def test_what_is_encoded_in_a_uri_is_decoded() -> None:
    (found,) = read_record(["v=TLSRPTv1; rua=mailto:a%2Bb@x.test?subject=hello"])
    assert str(found.mailbox) == "a+b@x.test"


def test_no_more_than_some_are_told_and_each_once() -> None:
    many = ",".join(f"mailto:a{number}@x.test,mailto:a0@x.test" for number in range(50))
    found = read_record([f"v=TLSRPTv1; rua={many}"])
    assert [str(each.mailbox) for each in found] == [f"a{number}@x.test" for number in range(MAX_ADDRESSES)]


def test_a_record_costs_no_more_than_its_octets() -> None:
    """Blanks within it held the server up for eight seconds."""
    began = time.process_time()
    assert read_record(["v=TLSRPTv1; rua=mailto:a@x.test," + " " * 65_000 + "b "]) != ()
    assert time.process_time() - began < 1.0
