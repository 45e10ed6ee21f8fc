"""CODE-10: the strictest policy decides, and friends are not asked about."""

from __future__ import annotations

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.policy import PASS, Defer, Refuse, Verdict
from mailstack.policy.chain import PolicyChain
from mailstack.policy.networks import parse_networks
from mailstack.protocols.smtp.replies import Refusal, reply
from tests.aid import run
from tests.policy.visitor import Visitor, mail, rcpt

LATER, NO = Defer(reply(450, "4.7.1", "later")), Refuse(reply(550, "5.7.1", "no"))


def says(verdict: Verdict, told: list[object] | None = None):
    async def policy(*about: object) -> Verdict:
        if told is not None:
            told.append(about)
        return verdict

    return policy


@pytest.mark.parametrize(("verdicts", "code"), [([PASS, LATER, NO], 550), ([LATER, PASS], 450), ([NO, LATER], 550)])
def test_refuse_beats_defer_beats_pass(verdicts: list[Verdict], code: int) -> None:
    guard = PolicyChain(at_recipient=tuple(says(verdict) for verdict in verdicts))
    with pytest.raises(Refusal) as refused:
        run(guard.check_recipient(Visitor(), rcpt()))
    assert refused.value.reply.code == code


def test_nobody_is_asked_after_a_refuse() -> None:
    told: list[object] = []
    with pytest.raises(Refusal):
        run(PolicyChain(at_sender=(says(NO), says(PASS, told))).check_sender(Visitor(), mail("")))
    assert told == []


@pytest.mark.parametrize("friend", [Visitor(HostPort("10.1.2.3", 1)), Visitor(account="alice@home.test")])
def test_friends_are_not_judged(friend: Visitor) -> None:
    guard = PolicyChain(parse_networks(["10.0.0.0/8"]), (says(NO),), (says(NO),), (says(NO),))
    run(guard.check_client(friend))
    run(guard.check_sender(friend, mail("")))
    run(guard.check_recipient(friend, rcpt()))
