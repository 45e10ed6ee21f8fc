"""TLS levels of the operator, and the stricter of two."""

from __future__ import annotations

from itertools import product

import pytest

from mailstack.relay.routes import SmartHost
from mailstack.relay.tls_policy import (
    OPPORTUNISTIC,
    TlsLevel,
    TlsPolicy,
    TlsPolicyError,
    TlsPolicyTable,
    smart_host_policy,
)

TABLE = TlsPolicyTable.parse(
    {"partner.test": "verified", "*.partner.test": "required", "*": "never", "[192.0.2.1]": "opportunistic"}
)


@pytest.mark.parametrize(
    ("destination", "level"),
    [
        ("Partner.TEST", TlsLevel.VERIFIED),
        ("a.b.partner.test", TlsLevel.REQUIRED),
        ("other.test", TlsLevel.NEVER),
        ("[192.0.2.1]", TlsLevel.OPPORTUNISTIC),
    ],
)
def test_the_most_exact_pattern_decides(destination: str, level: TlsLevel) -> None:
    """RLY-19."""
    found = TABLE.find(destination)
    assert found is not None
    assert found.level is level
    assert found.reason.startswith("[relay.tls_policy] ")


def test_nothing_said_is_nothing_demanded() -> None:
    assert TlsPolicyTable().find("partner.test") is None
    assert TlsPolicyTable.parse({"other.test": "never"}).find("partner.test") is None


@pytest.mark.parametrize("table", [{"a b": "verified"}, {"x.test": "dane"}, {"x.test": "Verified"}, {"x.test": 5}])
def test_a_line_that_makes_no_sense_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(TlsPolicyError):
        TlsPolicyTable.parse(table)


def test_the_stricter_demand_wins() -> None:
    order = list(TlsLevel)
    for one, other in product(order, order):
        stricter = TlsPolicy(one).at_least(TlsPolicy(other)).level
        assert order.index(stricter) == max(order.index(one), order.index(other))


def test_a_smart_host_without_a_password_gets_what_is_demanded_of_all() -> None:
    """RLY-23."""
    plain = SmartHost.parse("smtp://smart.test")
    assert smart_host_policy(plain) == OPPORTUNISTIC
    assert smart_host_policy(plain, TlsPolicy(TlsLevel.REQUIRED)).level is TlsLevel.REQUIRED
