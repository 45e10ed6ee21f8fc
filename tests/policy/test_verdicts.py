"""Verdicts are combined by strictness, and become what the client hears."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.policy import PASS, Defer, Pass, Refuse, Verdict, enforce, strictest
from mailstack.protocols.smtp.replies import Refusal, reply

DEFER = Defer(reply(450, "4.7.1", "slow down"), "rate")
REFUSE = Refuse(reply(550, "5.7.1", "no"), "listed")
VERDICTS = st.sampled_from([PASS, DEFER, REFUSE])


def test_refuse_beats_defer_beats_pass_in_any_order() -> None:
    for order in permutations([PASS, DEFER, REFUSE]):
        assert strictest(order) is REFUSE
    for pair in permutations([PASS, DEFER]):
        assert strictest(pair) is DEFER


def test_no_verdict_is_a_pass() -> None:
    assert strictest([]) == Pass()


@given(st.lists(VERDICTS), st.lists(VERDICTS))
def test_verdicts_may_be_combined_in_parts(first: list[Verdict], second: list[Verdict]) -> None:
    assert strictest([*first, *second]) == strictest([strictest(first), strictest(second)])


def test_of_equal_verdicts_the_first_speaks() -> None:
    other = Refuse(reply(554, "5.7.1", "no either"))
    assert strictest([REFUSE, other]) is REFUSE


def test_a_pass_demands_nothing() -> None:
    enforce(PASS)


@pytest.mark.parametrize("verdict", [DEFER, REFUSE])
def test_a_bad_verdict_becomes_a_refusal_with_its_private_reason(verdict: Defer | Refuse) -> None:
    with pytest.raises(Refusal) as caught:
        enforce(verdict)
    assert caught.value.reply is verdict.reply
    assert caught.value.reason == verdict.reason
