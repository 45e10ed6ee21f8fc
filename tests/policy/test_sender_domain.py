"""CODE-23: a sender whose domain takes no mail, or does not exist (RFC 7505 §4.2)."""

from __future__ import annotations

import pytest

from mailstack.policy.dns_checks import SenderDomain
from tests.aid import run
from tests.policy.visitor import Dns, Visitor, mail, said


@pytest.mark.parametrize(
    ("records", "sender", "words"),
    [
        ({"MX no.test": ("",)}, "eve@no.test", "550 5.7.27"),
        ({"MX yes.test": ("mx.yes.test",)}, "eve@yes.test", ""),
        ({"A old.test": ("192.0.2.1",)}, "eve@old.test", ""),
        ({}, "eve@nowhere.test", "550 5.1.8"),
        ({"MX silent.test": None}, "eve@silent.test", ""),
        ({"A silent.test": None}, "eve@silent.test", ""),
        ({}, "eve@[192.0.2.1]", ""),
        ({}, "", ""),
    ],
)
def test_a_sender_who_could_not_be_answered_is_refused(
    records: dict[str, tuple[str, ...]], sender: str, words: str
) -> None:
    assert said(run(SenderDomain(Dns(dict(records))).at_sender(Visitor(), mail(sender)))) == words
