"""A staging system refuses what it will not send."""

from __future__ import annotations

import pytest

from mailstack.letter import Address
from mailstack.policy import Pass, Refuse
from mailstack.policy.permissions import AllowedDomains
from mailstack.protocols.smtp.commands import Rcpt
from tests.aid import run
from tests.policy.visitor import Visitor


@pytest.mark.parametrize(
    ("recipient", "passes"),
    [("a@home.test", True), ("a@ours.test", True), ("a@mx.ours.test", False), ("a@else.test", False)],
)
def test_only_named_domains_and_our_own_pass(recipient: str, passes: bool) -> None:
    opinion = AllowedDomains(("ours.test",), lambda address: address.domain == "home.test")
    verdict = run(opinion.at_recipient(Visitor(), Rcpt(Address.parse(recipient))))
    assert isinstance(verdict, Pass if passes else Refuse)
