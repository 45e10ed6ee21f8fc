"""A letter that passed too many hosts is looping (CODE-20)."""

from __future__ import annotations

import pytest

from mailstack.policy import PASS, Refuse
from mailstack.policy.chain import too_many_hops


@pytest.mark.parametrize("count", [0, 1, 99, 100])
def test_up_to_the_limit_a_letter_passes(count: int) -> None:
    assert too_many_hops(count) is PASS


def test_beyond_it_554_5_4_6() -> None:
    """CODE-20"""
    verdict = too_many_hops(101)
    assert isinstance(verdict, Refuse)
    assert str(verdict.reply).startswith("554 5.4.6 ")
    assert isinstance(too_many_hops(4, limit=3), Refuse)
