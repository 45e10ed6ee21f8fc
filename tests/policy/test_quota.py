"""How much a mailbox may hold."""

from __future__ import annotations

import pytest

from mailstack.policy import PASS, Defer, Refuse
from mailstack.policy.limits import OVER_QUOTA, OVER_QUOTA_PERMANENT, Quotas
from mailstack.store.accounts import Account
from tests.aid import run


class Holdings:
    """One mailbox, and how often it was weighed."""

    def __init__(self, octets: int, quota: int | None = None, *, account: bool = True) -> None:
        self.octets = octets
        self.given = Account("bob@home.test", b"-", 0.0, quota) if account else None
        self.weighed = 0

    @property
    def accounts(self) -> Holdings:
        return self

    async def get(self, address: str) -> Account | None:
        return self.given

    async def octets_in(self, mailbox: str) -> int:
        self.weighed += 1
        return self.octets


@pytest.mark.parametrize(
    ("held", "size", "room"), [(0, 100, True), (99, 1, True), (50, 51, False), (100, 0, False), (200, 1, False)]
)
def test_a_letter_fits_or_not(held: int, size: int, room: bool) -> None:
    """CODE-05."""
    for holdings, default in ((Holdings(held), 100), (Holdings(held, 100), 5), (Holdings(held, account=False), 100)):
        verdict = run(Quotas(holdings, default=default).check("bob@home.test", size))
        assert (verdict is PASS) is room
        if not room:
            assert isinstance(verdict, Defer)
            assert verdict.reply is OVER_QUOTA
            assert f"{held} of 100 octets" in verdict.reason


def test_the_policy_may_be_permanent() -> None:
    """CODE-05."""
    verdict = run(Quotas(Holdings(10), default=10, permanent=True).check("bob@home.test", 1))
    assert isinstance(verdict, Refuse)
    assert verdict.reply is OVER_QUOTA_PERMANENT


@pytest.mark.parametrize(("quota", "default"), [(None, 0), (0, 5)])
def test_without_a_limit_nothing_is_weighed(quota: int | None, default: int) -> None:
    holdings = Holdings(10**12, quota)
    assert run(Quotas(holdings, default=default).check("bob@home.test", 10**9)) is PASS
    assert not holdings.weighed
