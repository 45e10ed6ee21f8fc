"""DMARC for every author that a reader may see (RFC 7489 §6.6.1)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address, Arrival, Envelope, Letter, new_letter_id
from mailstack.letter.letter import Octets
from mailstack.letter.parsed import parse
from mailstack.mailbox.index.items import ArchivedLetter, extract
from mailstack.protocols.smtp.replies import Refusal
from mailstack.receiving.verification import MAX_AUTHOR_DOMAINS, VerificationPolicy
from mailstack.store import Record
from tests.letter.test_address_lists import READ, UNREAD
from tests.policy.visitor import Dns
from tests.receiving.test_verification import STRANGER, verify_letter

REJECT = {"TXT _dmarc.pr.test": ("v=DMARC1; p=reject",)}
PIECES = st.sampled_from(
    ["ceo@pr.test", "a@evil.test", "<", ">", '"', "(", ")", ",", ";", ":", "\\", " ", "\r\n ", "CEO", "bob", "@", ".", "\0",
     "=?utf-8?q?ceo=40pr.test?=", "<ceo@pr.test>", '"ceo"@pr.test', "@x.test,@y.test:", "ü", "ceo@пример.test", "[192.0.2.1]"]
)  # fmt: skip


def letter_from(*bodies: bytes) -> bytes:
    return b"".join([b"From:" + body + b"\r\n" for body in bodies]) + b"Subject: hello\r\n\r\nHi\r\n"


def refused(octets: bytes, demands: VerificationPolicy | None = None) -> str:
    """Code and status; "" when it is taken."""
    try:
        verify_letter(octets, Dns(dict(REJECT)), sender="a@evil.test", demands=demands)
    except Refusal as refusal:
        return str(refusal.reply)[:9]
    return ""


def shown(octets: bytes) -> list[str]:
    """The addresses that the inbox, the API and the search give as authors."""
    letter = Letter(new_letter_id(1.0), Envelope(None, ()), Octets(octets), Arrival(1.0, "mx", "ESMTP", STRANGER))
    found = extract(ArchivedLetter(1, Record(letter, ()), octets, ()))
    authors = [each.address for each in parse(octets).authors]
    searched = [address for field, address in found.addresses if field == "from" and not address.startswith("@")]
    assert {Address.parse(each).key for each in authors if _is_address(each)} <= set(searched)
    return [*authors, *searched, *([found.item.author.address] if found.item.author else [])]


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        return bool(Address.parse(text))
    return False


@given(st.lists(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40), min_size=1, max_size=2))
def test_whatever_address_is_shown_as_author_was_judged(bodies: list[str]) -> None:
    """DMARC-01, DMARC-02: a letter is refused, or the policy of each author's domain was asked."""
    octets = letter_from(
        *[body.encode("utf-8", "replace").replace(b"\n", b"").replace(b"\r", b"\r\n") for body in bodies]
    )
    names = Dns(dict(REJECT))
    try:
        verify_letter(octets, names, sender="a@evil.test")
    except Refusal:
        return
    addresses = shown(octets)
    assert addresses
    for text in addresses:
        local, at, domain = text.rpartition("@")
        assert local, text
        assert at, text
        assert (
            domain.startswith("[")
            or f"TXT _dmarc.{Address('a', domain).ascii_domain.lower().rstrip('.')}" in names.asked
        )
        assert domain != "pr.test"


@pytest.mark.parametrize("body", UNREAD)
def test_a_from_that_can_be_read_in_two_ways_is_refused(body: bytes) -> None:
    """CODE-25: 550 5.6.0, where DMARC is asked."""
    octets = letter_from(body)
    assert refused(octets) == "550 5.6.0"
    assert refused(octets, VerificationPolicy(dmarc=False)) == ""


@pytest.mark.parametrize(("body", "found"), READ)
def test_what_senders_really_write_is_taken(body: bytes, found: list[str]) -> None:
    octets = letter_from(body.replace(b"\r\n", b"", 1) if body.endswith(b"\r\n") else body)
    assert refused(octets) == ("" if found else "550 5.6.0")
    if found:
        assert shown(octets)[: len(found)] == found


@pytest.mark.parametrize(
    "octets",
    [
        letter_from(),
        letter_from(b" "),
        letter_from(b" a@evil.test", b" ceo@pr.test"),
        letter_from(b" a@evil.test", b" a@evil.test"),
        letter_from(b",".join(b"a@d%d.test" % number for number in range(40)) + b", ceo@pr.test"),
        letter_from(b",".join(b"a@d%d.test" % number for number in range(MAX_AUTHOR_DOMAINS + 1))),
        letter_from(b" a@evil.test" + b" " * 9000),
        b"no field\r\nFrom: a@evil.test\r\n\r\nHi\r\n",
        b" From: a@evil.test\r\n\r\nHi\r\n",
    ],
    ids=["missing", "empty", "two", "twice", "forty", "five", "long", "no header", "continued"],
)
def test_a_letter_without_a_certain_author_is_refused(octets: bytes) -> None:
    """CODE-25: 550 5.6.0; RFC 5322 §3.6 wants one From, and RFC 7489 §6.6.1 judges what it names."""
    assert refused(octets) == "550 5.6.0"


def test_marks_instead_of_a_refusal() -> None:
    """DMARC-01: permerror, and what can be read is judged by the strictest policy all the same."""
    mark = VerificationPolicy(malformed_from="mark")
    assert refused(letter_from(b" CEO <ceo@pr.test> (x"), mark) == "550 5.7.1"
    field, facts = verify_letter(
        letter_from(b" A <a@evil.test> (x"), Dns(dict(REJECT)), sender="a@evil.test", demands=mark
    )
    assert facts["dmarc"] == "permerror"
    assert b"dmarc=permerror" in field


def test_several_authors_of_one_domain_may_pass() -> None:
    names = Dns({"TXT home.test": ("v=spf1 ip4:192.0.2.1 -all",), "TXT _dmarc.home.test": ("v=DMARC1; p=reject",)})
    assert verify_letter(letter_from(b" alice@home.test, Bob <bob@HOME.test>"), names)[1]["dmarc"] == "pass"
