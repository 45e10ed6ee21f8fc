"""What one letter may ask of the DNS."""

from __future__ import annotations

from mailstack.authentication.budget import Budget
from tests.aid import run
from tests.policy.visitor import Dns, Now


def test_questions_are_numbered() -> None:
    """SPF-01: a letter that leads from name to name comes to an end."""
    dns = Dns(
        {"TXT a.test": ("x",), "A a.test": ("192.0.2.1",), "MX a.test": ("b.test",), "PTR 192.0.2.1": ("a.test",)}
    )
    budget = Budget(dns, Now(), 10, most=4)
    assert run(budget.texts("a.test")) == ("x",)
    assert run(budget.addresses("a.test")) == ("192.0.2.1",)
    assert run(budget.exchanges("a.test")) == ("b.test",)
    assert run(budget.pointers("192.0.2.1")) == ("a.test",)
    assert run(budget.texts("a.test")) is None
    assert len(dns.asked) == 4


def test_the_time_is_up() -> None:
    """SPF-01: RFC 7208 §4.6.4, a time for the whole."""
    now, dns = Now(), Dns({"TXT a.test": ("x",)})
    budget = Budget(dns, now, 10)
    now.at += 9.9
    assert run(budget.texts("a.test")) == ("x",)
    now.at += 0.1
    assert run(budget.texts("a.test")) is None
