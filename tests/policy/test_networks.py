"""Block list (CODE-10, CODE-28, SMTP-40)."""

from __future__ import annotations

import pytest

from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.policy.networks import BlockList
from tests.aid import run
from tests.policy.visitor import Visitor, rcpt, said


def client(host: str = "198.51.100.7", sender: str = "eve@other.test", helo: str = "client.test") -> Visitor:
    return Visitor(HostPort(host, 40000), sender=Address.parse(sender), helo=helo)


@pytest.mark.parametrize(
    ("entry", "visitor", "blocked"),
    [
        ("198.51.100.0/24", client(), True),
        ("198.51.100.7", client(), True),
        ("198.51.101.0/24", client(), False),
        ("2001:db8::/32", client("2001:db8::1"), True),
        ("198.51.100.0/24", client("::ffff:198.51.100.9"), True),
        ("eve@other.test", client(sender="Eve@Other.TEST"), True),
        ("eve@other.test", client(sender="eve@more.other.test"), False),
        ("@other.test", client(sender="anybody@other.test"), True),
        ("@other.test", client(sender="anybody@another.test"), False),
        ("client.test", client(helo="Client.Test"), True),
        ("client.test", client(helo="mx7.client.test."), True),
        ("client.test", client(helo="goodclient.test"), False),
    ],
)
def test_an_entry_blocks_what_it_names(entry: str, visitor: Visitor, blocked: bool) -> None:
    block = BlockList([entry])
    assert said(run(block.at_recipient(visitor, rcpt()))) == ("550 5.7.1" if blocked else "")


def test_a_blocked_network_is_refused_with_the_greeting() -> None:
    block = BlockList(["198.51.100.0/24"])
    assert said(run(block.at_connection(client()))) == "554 5.7.1"
    assert said(run(block.at_connection(client("192.0.2.1")))) == ""


def test_the_null_sender_is_on_no_list_of_addresses() -> None:
    assert said(run(BlockList(["@other.test"]).at_recipient(Visitor(), rcpt()))) == ""


def test_blocked_client_may_write_to_postmaster() -> None:
    block = BlockList(["198.51.100.0/24", "@other.test"])
    assert said(run(block.at_recipient(client(), rcpt("Postmaster@home.test")))) == ""


def test_a_client_is_known_by_its_confirmed_name_as_well() -> None:
    async def name_of(_: object) -> str:
        return "host.spam.test"

    block = BlockList(["spam.test"], name_of)
    assert said(run(block.at_recipient(client(helo="innocent.test"), rcpt()))) == "550 5.7.1"
