"""Verdicts, the policy chain (CODE-10) and loop detection (CODE-20)."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.policy import PASS, Defer, Pass, Refuse, Verdict, enforce, strictest
from mailstack.policy.chain import PolicyChain, too_many_hops
from mailstack.policy.networks import parse_networks
from mailstack.protocols.smtp.replies import Refusal, reply
from tests.aid import run
from tests.policy.visitor import Visitor, mail, rcpt

DEFER = Defer(reply(450, "4.7.1", "slow down"), "rate")
REFUSE = Refuse(reply(550, "5.7.1", "no"), "listed")


def says(verdict: Verdict, told: list[object] | None = None):
    async def policy(*about: object) -> Verdict:
        if told is not None:
            told.append(about)
        return verdict

    return policy


@pytest.mark.parametrize(
    ("verdicts", "code"), [([PASS, DEFER, REFUSE], 550), ([DEFER, PASS], 450), ([REFUSE, DEFER], 550)]
)
def test_refuse_beats_defer_beats_pass(verdicts: list[Verdict], code: int) -> None:
    guard = PolicyChain(at_recipient=tuple(says(verdict) for verdict in verdicts))
    with pytest.raises(Refusal) as refused:
        run(guard.check_recipient(Visitor(), rcpt()))
    assert refused.value.reply.code == code


def test_nobody_is_asked_after_a_refuse() -> None:
    told: list[object] = []
    with pytest.raises(Refusal):
        run(PolicyChain(at_sender=(says(REFUSE), says(PASS, told))).check_sender(Visitor(), mail("")))
    assert told == []


@pytest.mark.parametrize("friend", [Visitor(HostPort("10.1.2.3", 1)), Visitor(account="alice@home.test")])
def test_friends_are_not_judged(friend: Visitor) -> None:
    guard = PolicyChain(parse_networks(["10.0.0.0/8"]), (says(REFUSE),), (says(REFUSE),), (says(REFUSE),))
    run(guard.check_client(friend))
    run(guard.check_sender(friend, mail("")))
    run(guard.check_recipient(friend, rcpt()))


@pytest.mark.parametrize("count", [0, 1, 99, 100])
def test_up_to_the_limit_a_letter_passes(count: int) -> None:
    assert too_many_hops(count) is PASS


def test_beyond_it_554_5_4_6() -> None:
    """CODE-20"""
    verdict = too_many_hops(101)
    assert isinstance(verdict, Refuse)
    assert str(verdict.reply).startswith("554 5.4.6 ")
    assert isinstance(too_many_hops(4, limit=3), Refuse)


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
