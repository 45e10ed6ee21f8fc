"""What a recipient's NOTIFY asks for."""

import pytest

from mailstack.letter import Address, Envelope, Recipient

BOB = Address("bob", "home.test")


def notify(value):
    return Recipient(BOB, None, (("ORCPT", "rfc822;b"), ("NOTIFY", value)))


@pytest.mark.parametrize(
    ("recipient", "wanted"),
    [
        (Recipient(BOB), {"FAILURE", "DELAY"}),
        (Recipient(BOB, None, (("ORCPT", "rfc822;b"),)), {"FAILURE", "DELAY"}),
        (notify("NEVER"), set()),
        (notify("SUCCESS"), {"SUCCESS"}),
        (notify("success,delay"), {"SUCCESS", "DELAY"}),
    ],
)
def test_who_wants_what(recipient, wanted):
    """DSN-02: RFC 3461 §4.1."""
    assert {event for event in ("SUCCESS", "FAILURE", "DELAY") if recipient.wants_report(event)} == wanted


@pytest.mark.parametrize(
    ("before", "after"), [("SUCCESS", "NEVER"), ("FAILURE,SUCCESS", "FAILURE"), ("DELAY", "DELAY"), ("NEVER", "NEVER")]
)
def test_members_of_an_alias_are_not_reported_twice(before, after):
    """DSN-02: RFC 3461 §5.2.7.3."""
    assert notify(before).without_success() == notify(after)
    assert Recipient(BOB).without_success() == Recipient(BOB)


def test_what_the_sender_said_of_utf8():
    assert Envelope(None, (), parameters=(("SMTPUTF8", ""),)).smtputf8
    assert not Envelope(None, ()).smtputf8
