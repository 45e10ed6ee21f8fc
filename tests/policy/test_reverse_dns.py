"""Clients without a name."""

from __future__ import annotations

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.policy.dns_checks import ReverseDnsRequired
from tests.aid import run
from tests.policy.visitor import Dns, Visitor, rcpt, said

HOST = "198.51.100.7"


@pytest.mark.parametrize(
    ("pointers", "addresses", "answer"),
    [
        (("mail.other.test",), (HOST,), ""),
        (("liar.test", "mail.other.test"), (HOST,), ""),
        ((), (HOST,), "550 5.7.25"),
        (("mail.other.test",), ("198.51.100.8",), "550 5.7.25"),
        (None, (), ""),
        (("mail.other.test",), None, ""),
    ],
)
def test_who_has_no_confirmed_name_is_refused(
    pointers: tuple[str, ...] | None, addresses: tuple[str, ...] | None, answer: str
) -> None:
    """CODE-25: 550 5.7.25 (RFC 7372 §3.3); a DNS that does not answer refuses nobody."""
    dns = Dns({f"PTR {HOST}": pointers, "A mail.other.test": addresses})
    assert said(run(ReverseDnsRequired(dns).at_recipient(Visitor(), rcpt()))) == answer


def test_the_postmaster_hears_everybody_and_this_machine_needs_no_name() -> None:
    """CODE-25: RFC 5321 §4.5.1."""
    nameless = ReverseDnsRequired(Dns())
    assert said(run(nameless.at_recipient(Visitor(), rcpt("postmaster@home.test")))) == ""
    assert said(run(nameless.at_recipient(Visitor(HostPort("127.0.0.1", 1)), rcpt()))) == ""
