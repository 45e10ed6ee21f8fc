"""TLSRPT records (RFC 8460 §3)."""

from __future__ import annotations

import time

import pytest

from mailstack.policy.networks import contains_host
from mailstack.relay.tls_reports.report import MAX_ADDRESSES, read_record
from mailstack.server.wiring.tls_reports import INTERNAL


@pytest.mark.parametrize(
    ("texts", "uris"),
    [
        (["v=TLSRPTv1; rua=mailto:reports@example.com"], ["mailto:reports@example.com"]),
        (["v=TLSRPTv1;rua=https://r.example.com/v1/tlsrpt"], ["https://r.example.com/v1/tlsrpt"]),
        (["v=TLSRPTv1; rua=mailto:a@x.test , https://r.x.test/ ;"], ["mailto:a@x.test", "https://r.x.test/"]),
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
def test_record_names_the_addresses_for_reports(texts: list[str], uris: list[str]) -> None:
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


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.100.100.200",
        "192.0.0.192", "224.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1", "fd00:ec2::254", "fe80::1",
        "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_no_spelling_of_an_address_inside_is_taken_for_one_outside(address: str) -> None:
    assert contains_host(address, INTERNAL)


@pytest.mark.parametrize("address", ["8.8.8.8", "192.0.2.1", "223.255.255.255", "2001:db8::1", "::ffff:192.0.2.1"])
def test_the_internet_is_outside(address: str) -> None:
    assert not contains_host(address, INTERNAL)
