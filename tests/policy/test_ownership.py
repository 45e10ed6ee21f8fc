"""An account sends only under addresses that lead to it (SUBM-04, CODE-09)."""

from __future__ import annotations

from mailstack.letter import Address
from mailstack.policy import PASS, Refuse
from mailstack.policy.permissions import Ownership
from tests.aid import run


class Owned:
    """Everybody owns their own address only."""

    async def owns(self, account: str, sender: Address) -> bool:
        return sender.key == account


def test_an_owned_sender_passes() -> None:
    assert run(Ownership(Owned()).may_send_as("alice@home.test", Address.parse("Alice@HOME.test"))) is PASS


def test_the_null_reverse_path_is_everybodys() -> None:
    assert run(Ownership(Owned()).may_send_as("alice@home.test", None)) is PASS


def test_another_sender_is_refused_with_553_5_7_1() -> None:
    """CODE-09"""
    verdict = run(Ownership(Owned()).may_send_as("alice@home.test", Address.parse("bob@home.test")))
    assert isinstance(verdict, Refuse)
    assert str(verdict.reply).startswith("553 5.7.1 ")
    assert "bob@home.test" not in verdict.reply.text
    assert verdict.reason == "alice@home.test asked for bob@home.test"
