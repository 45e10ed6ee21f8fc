"""DNS budget of one letter."""

from __future__ import annotations

from attrs import define, field

from mailstack.policy.authentication.keys import Budget
from tests.aid import run
from tests.policy.visitor import Dns, Now


def test_questions_are_numbered() -> None:
    """SPF-01: a letter that leads from name to name comes to an end."""
    dns = Dns(
        {"TXT a.test": ("x",), "A a.test": ("192.0.2.1",), "MX a.test": ("b.test",), "PTR 192.0.2.1": ("a.test",)}
    )
    budget = Budget(dns, Now(), 10, 4)
    assert run(budget.texts("a.test")) == ("x",)
    assert run(budget.addresses("a.test")) == ("192.0.2.1",)
    assert run(budget.exchanges("a.test")) == ("b.test",)
    assert run(budget.pointers("192.0.2.1")) == ("a.test",)
    assert run(budget.texts("a.test")) is None
    assert len(dns.asked) == 4


@define
class SlowDns(Dns):
    """A Dns that takes four seconds for each answer."""

    now: Now = field(factory=Now)

    async def texts(self, name: str) -> tuple[str, ...] | None:
        self.now.at += 4.0
        return await super().texts(name)


def test_the_time_is_up() -> None:
    """SPF-01: RFC 7208 §4.6.4, a time for the whole; a question that was asked in time is waited for."""
    dns = SlowDns({"TXT a.test": ("x",)})
    budget = Budget(dns, dns.now, 10, 100)
    assert [run(budget.texts("a.test")) for _ in range(4)] == [("x",), ("x",), ("x",), None]
    assert len(dns.asked) == 3


def test_only_the_time_of_its_own_questions_counts() -> None:
    """What another check takes, or a body that is hashed meanwhile, makes no answer doubtful."""
    dns = SlowDns({"TXT a.test": ("x",)})
    own, other = Budget(dns, dns.now, 5, 100), Budget(dns, dns.now, 5, 100)
    assert [run(other.texts("a.test")) for _ in range(3)] == [("x",), ("x",), None]
    dns.now.at += 3600
    assert run(own.texts("a.test")) == ("x",)
