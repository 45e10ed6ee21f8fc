"""Where a URL that a stranger publishes may not lead."""

from __future__ import annotations

import pytest

from mailstack.policy.networks import within
from mailstack.server.wiring.tls_reports import INTERNAL


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
    assert within(address, INTERNAL)


@pytest.mark.parametrize("address", ["8.8.8.8", "192.0.2.1", "223.255.255.255", "2001:db8::1", "::ffff:192.0.2.1"])
def test_the_internet_is_outside(address: str) -> None:
    assert not within(address, INTERNAL)
