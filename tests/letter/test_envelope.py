"""NOTIFY of a recipient, and VERP addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.envelope import delimiters_of, read_delimiters, sender_for

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


NEWS = Address("news", "home.test")


def envelope(sender: Address | None = NEWS, verp: str | None = "+=") -> Envelope:
    return Envelope(sender, (), parameters=(("XVERP", verp),) if verp is not None else ())


@pytest.mark.parametrize(
    ("recipient", "delimiters", "path"),
    [
        ("carol@elsewhere.test", "+=", "news+carol=elsewhere.test@home.test"),
        ("Carol@Elsewhere.Test", "-=", "news-Carol=Elsewhere.Test@home.test"),
        ("carol+shop@elsewhere.test", "+=", "news+carol+shop=elsewhere.test@home.test"),
        ("carol@bücher.test", "+=", "news+carol=xn--bcher-kva.test@home.test"),
        # What can't be written without quotes, in ASCII, or in 64 octets.
        ('"carol smith"@elsewhere.test', "+=", "news@home.test"),
        ("grüße@elsewhere.test", "+=", "news@home.test"),
        ("carol@[192.0.2.1]", "+=", "news@home.test"),
        (f"{'c' * 50}@elsewhere.test", "+=", "news@home.test"),
    ],
)
def test_each_recipient_has_a_path(recipient: str, delimiters: str, path: str) -> None:
    found = sender_for(envelope(verp=delimiters), Recipient(Address.parse(recipient)))
    assert str(found) == path


def test_path_names_the_original_recipient_of_an_alias() -> None:
    recipient = Recipient(Address("c.smith", "third.test"), Address("carol", "elsewhere.test"))
    assert str(sender_for(envelope(), recipient)) == "news+carol=elsewhere.test@home.test"


def test_null_path_and_letters_without_verp_keep_their_path() -> None:
    carol = Recipient(Address("carol", "elsewhere.test"))
    assert sender_for(envelope(None), carol) is None
    assert delimiters_of(envelope(None)) is None
    assert sender_for(envelope(verp=None), carol) == NEWS
    assert sender_for(envelope(verp="@@"), carol) == NEWS


@pytest.mark.parametrize("text", ["", "+", "+==", "ab", "@=", "+ ", "+=\n"])
def test_other_delimiters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="two of"):
        read_delimiters(text)


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80), st.sampled_from(["+=", "-=", "=+"]))
def test_whatever_the_recipient_the_path_is_an_address_that_is_read_back(local: str, domain: str, verp: str) -> None:
    try:
        to = Address.parse(f"{local}@{domain}")
    except ValueError:
        return
    found = sender_for(envelope(verp=verp), Recipient(to))
    assert found is not None
    assert Address.parse(str(found)) == found
    assert str(found).isascii()
