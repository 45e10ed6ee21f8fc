"""SUBM-05, SUBM-11: From fields, and the policy of the operator (RFC 6409 §6.3, §8.1)."""

from __future__ import annotations

import pytest

from mailstack.letter import Address
from mailstack.protocols.smtp.replies import Refusal
from mailstack.receiving.submission import FromHeaderPolicy, WhenNotOwned
from tests.aid import run

ALICE = Address("alice", "home.test")
ONE = b"Subject: one\r\nFrom: Alice <alice@home.test>\r\nTo: bob@home.test\r\n"
NONE = b"Subject: none\r\n"
TWO = b"From: alice@home.test\r\nSubject: two\r\nFROM : eve@evil.test\r\n\tfolded\r\n"
FOREIGN = b"From: Boss <boss@home.test>\r\nSender: eve@evil.test\r\n"


class Owners:
    asked = 0

    async def owns(self, account: str, sender: Address) -> bool:
        self.asked += 1
        return account == "alice@home.test" and sender.key in {"alice@home.test", "sales@home.test"}


def settle(author: FromHeaderPolicy, section: bytes, sender: Address | None = ALICE) -> bytes:
    return run(author.apply(section, sender, "alice@home.test"))


def refused(author: FromHeaderPolicy, section: bytes) -> str:
    with pytest.raises(Refusal) as refusal:
        settle(author, section)
    return str(refusal.value.reply)[:9]


def test_a_letter_with_one_author_is_not_touched() -> None:
    for author in (
        FromHeaderPolicy(),
        FromHeaderPolicy("refuse", "refuse", Owners()),
        FromHeaderPolicy("allow", "sender", Owners()),
    ):
        assert settle(author, ONE) == ONE


def test_a_missing_from_is_added() -> None:
    assert settle(FromHeaderPolicy(), NONE) == b"From: <alice@home.test>\r\n" + NONE
    assert settle(FromHeaderPolicy(), NONE, None) == b"From: <alice@home.test>\r\n" + NONE


def test_of_two_the_first_is_kept() -> None:
    assert settle(FromHeaderPolicy(), TWO) == b"From: alice@home.test\r\nSubject: two\r\n"


def test_a_broken_letter_may_be_refused_or_allowed() -> None:
    assert refused(FromHeaderPolicy("refuse"), NONE) == "554 5.6.0"
    assert refused(FromHeaderPolicy("refuse"), TWO) == "554 5.6.0"
    assert settle(FromHeaderPolicy("allow"), NONE) == NONE
    assert settle(FromHeaderPolicy("allow"), TWO) == TWO


def test_a_foreign_from_is_allowed_refused_or_told() -> None:
    assert settle(FromHeaderPolicy(), FOREIGN) == FOREIGN
    assert refused(FromHeaderPolicy(when_not_owned="refuse", owners=Owners()), FOREIGN) == "550 5.7.1"
    told = settle(FromHeaderPolicy(when_not_owned="sender", owners=Owners()), FOREIGN)
    assert told == b"Sender: <alice@home.test>\r\nFrom: Boss <boss@home.test>\r\n"


@pytest.mark.parametrize("when_not_owned", ["refuse", "sender"])
@pytest.mark.parametrize(
    "body", [b"eve@evil.test", b"alice@home.test, eve@evil.test", b"nobody", b"", b"alice@home.test (x"]
)
def test_a_sender_that_is_not_the_accounts_is_removed(when_not_owned: WhenNotOwned, body: bytes) -> None:
    """RFC 6409 §8.1: readers show it beside a From of one's own."""
    author = FromHeaderPolicy(when_not_owned=when_not_owned, owners=Owners())
    assert settle(author, b"Sender: " + body + b"\r\n" + ONE) == ONE
    own = b"Sender: sales@home.test\r\n" + ONE
    assert settle(author, own) == own
    assert settle(author, own + b"Sender: eve@evil.test\r\n") == ONE
    assert settle(FromHeaderPolicy(owners=Owners()), b"Sender: " + body + b"\r\n" + ONE).startswith(b"Sender: " + body)


def test_the_first_author_of_another_account_ends_the_look_ups() -> None:
    """Else one field of some hundred authors asks the store as often."""
    owners = Owners()
    crowd = b",".join(b"a%d@evil.test" % number for number in range(300))
    assert refused(FromHeaderPolicy(when_not_owned="refuse", owners=owners), b"From: " + crowd + b"\r\n") == "550 5.7.1"
    assert owners.asked == 1


@pytest.mark.parametrize(
    "body", [b"sales@home.test", b"Alice <ALICE@HOME.TEST>", b"alice@home.test, Sales <sales@home.test>"]
)
def test_an_alias_and_another_case_are_the_accounts_own(body: bytes) -> None:
    section = b"From: " + body + b"\r\n"
    assert settle(FromHeaderPolicy(when_not_owned="refuse", owners=Owners()), section) == section


@pytest.mark.parametrize(
    "body",
    [
        b"alice@home.test, boss@home.test",
        b'"alice@home.test" <boss@home.test>',
        b"alice@home.test <boss@home.test>",
        b"nobody",
        b"",
    ],
)
def test_one_author_of_another_account_is_refused(body: bytes) -> None:
    assert (
        refused(FromHeaderPolicy(when_not_owned="refuse", owners=Owners()), b"From: " + body + b"\r\n") == "550 5.7.1"
    )


@pytest.mark.parametrize("more", [b"From: boss@home.test\r\n", b"From: nobody\r\n"])
def test_where_two_from_fields_may_stand_both_must_be_the_accounts(more: bytes) -> None:
    author = FromHeaderPolicy("allow", when_not_owned="refuse", owners=Owners())
    own = b"From: alice@home.test\r\n"
    assert settle(author, own + own) == own + own
    assert refused(author, own + more) == refused(author, more + own) == "550 5.7.1"
