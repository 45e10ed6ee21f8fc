"""CODE-23: a recipient whose domain takes no mail, or does not exist (RFC 7505 §4.1)."""

from __future__ import annotations

import pytest

from mailstack.policy.dns_checks import RecipientDomain
from tests.aid import run
from tests.policy.visitor import Dns, Visitor, rcpt, said


@pytest.mark.parametrize(
    ("records", "recipient", "words"),
    [
        ({"MX no.test": ("",)}, "bob@no.test", "556 5.1.10"),
        ({"MX yes.test": ("mx.yes.test",)}, "bob@yes.test", ""),
        ({"A old.test": ("192.0.2.1",)}, "bob@old.test", ""),
        ({}, "bob@nowhere.test", "550 5.1.2"),
        ({"MX silent.test": None}, "bob@silent.test", ""),
        ({"A silent.test": None}, "bob@silent.test", ""),
        ({}, "bob@routed.test", ""),
        ({}, "bob@[192.0.2.1]", ""),
    ],
)
def test_a_domain_that_takes_no_mail_is_refused(
    records: dict[str, tuple[str, ...]], recipient: str, words: str
) -> None:
    policy = RecipientDomain(Dns(dict(records)), lambda address: address.domain != "routed.test")
    assert said(run(policy.at_recipient(Visitor(), rcpt(recipient)))) == words
