"""Source addresses by sender, by domain, for either family."""

from __future__ import annotations

import pytest

from mailstack.letter import Address
from mailstack.letter.patterns import address_pattern, domain_pattern
from mailstack.protocols.connection import Source
from mailstack.relay.routing import SourceAddress, SourceRule, find_source_address

NEWS = SourceAddress(Source("192.0.2.7", "2001:db8::7"), "news.home.test")
FOUR = SourceAddress(Source("192.0.2.8"))
NAME = SourceAddress(ehlo_name="out.home.test")
RULES = (
    SourceRule(
        NEWS, (address_pattern("*@news.home.test"), address_pattern("<>")), (domain_pattern("*.elsewhere.test"),)
    ),
    SourceRule(FOUR, (address_pattern("alice@home.test"),)),
    SourceRule(NAME, (), (domain_pattern("elsewhere.test"),)),
)


@pytest.mark.parametrize(
    ("sender", "domain", "origin"),
    [
        ("x@news.home.test", "a.elsewhere.test", NEWS),
        ("X@News.Home.Test", "A.Elsewhere.Test.", NEWS),
        (None, "a.elsewhere.test", NEWS),
        ("x@news.home.test", "third.test", None),
        ("alice@home.test", "third.test", FOUR),
        ("alice@home.test", "elsewhere.test", FOUR),
        ("bob@home.test", "elsewhere.test", NAME),
        (None, "elsewhere.test", NAME),
        ("bob@home.test", "[192.0.2.1]", None),
    ],
)
def test_the_first_rule_that_fits_decides(sender: str | None, domain: str, origin: SourceAddress | None) -> None:
    assert find_source_address(RULES, Address.parse(sender) if sender else None, domain) == origin


def test_a_family_without_an_address_of_its_own_is_not_called() -> None:
    assert NEWS.can_reach("192.0.2.1")
    assert NEWS.can_reach("2001:db8::1")
    assert FOUR.can_reach("192.0.2.1")
    assert not FOUR.can_reach("2001:db8::1")
    assert NAME.can_reach("2001:db8::1")
