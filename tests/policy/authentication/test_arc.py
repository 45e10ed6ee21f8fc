"""ARC chains, sealed by a second implementation."""

from __future__ import annotations

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.header import fields, split
from mailstack.letter.letter import Octets
from mailstack.policy.authentication.arc import Chain, read_chain, verify_chain
from mailstack.policy.authentication.canonical import hash_body
from mailstack.policy.authentication.keys import generate
from tests.aid import run
from tests.policy.authentication.letters import LETTER, inline
from tests.policy.visitor import Dns

KEYS = {name: generate("rsa", 1024) for name in ("list.test", "next.test", "last.test")}
RECORDS = {f"TXT s._domainkey.{name}": (key.record(),) for name, key in KEYS.items()}
SIGNED = [b"from", b"to", b"date", b"subject"]


def sealed(letter: bytes, name: str, results: bytes = b"arc=none; dmarc=pass") -> bytes:
    """The letter as it leaves a host that seals it."""
    came = b"Authentication-Results: " + name.encode() + b"; " + results + b"\r\n" + letter
    found = dkim.arc_sign(came, b"s", name.encode(), KEYS[name].pem(), name.encode(), include_headers=SIGNED)
    assert len(found) == 3
    return b"".join(found) + letter


def passed_on(*names: str) -> bytes:
    letter = LETTER
    for place, name in enumerate(names):
        letter = sealed(letter, name, b"arc=pass; dmarc=fail" if place else b"arc=none; dmarc=pass")
    return letter


def chain_of(letter: bytes, records: dict[str, tuple[str, ...] | None] | None = None) -> Chain:
    found = list(fields(letter[: split(letter)]))
    links = read_chain(found)
    if isinstance(links, Chain):
        return links
    form = links[-1].message.body
    assert form is not None
    bodies = run(hash_body(Octets(letter), split(letter), [form], inline))
    return run(verify_chain(links, found, bodies, Dns({**RECORDS, **(records or {})})))


def test_letter_without_seals() -> None:
    """ARC-01: none."""
    assert chain_of(LETTER) == Chain("none")


@pytest.mark.parametrize("names", [("list.test",), ("list.test", "next.test"), ("list.test", "next.test", "last.test")])
def test_a_chain_that_is_whole(names: tuple[str, ...]) -> None:
    """ARC-01: pass; who sealed last is named."""
    chain = chain_of(passed_on(*names))
    assert (chain.result, chain.reason, chain.sealer) == ("pass", "", names[-1])
    assert (b"dmarc=pass" in chain.results) == (len(names) == 1)


def test_what_came_before_the_last_one_may_be_changed_by_him() -> None:
    """ARC-01: only the newest message signature must hold (RFC 8617 §5.2)."""
    letter = sealed(sealed(LETTER, "list.test") + b"-- \r\nthe list\r\n", "next.test", b"arc=pass")
    assert chain_of(letter).result == "pass"
    assert chain_of(letter + b"more\r\n").result == "fail"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Subject:  hello", b"Subject: other"),
        (b"dmarc=pass", b"dmarc=none"),
        (b"cv=none", b"cv=pass"),
        (b"i=1; a=", b"i=3; a="),
        (b"ARC-Seal:", b"X-Seal:"),
        (b"ARC-Authentication-Results: i=1", b"ARC-Authentication-Results: i=99"),
        (b"ARC-Authentication-Results: i=1", b"ARC-Authentication-Results: j=1"),
    ],
)
def test_a_chain_that_is_broken(before: bytes, after: bytes) -> None:
    """ARC-01: fail, for a change, a gap, or a claim that can't be."""
    letter = passed_on("list.test")
    assert before in letter
    assert chain_of(letter.replace(before, after, 1)).result == "fail"


def test_a_chain_with_a_link_twice_or_one_left_out() -> None:
    """ARC-01: RFC 8617 §5.2, step 3."""
    once = passed_on("list.test")
    # Sealed on top of the very same letter: a seal holds the second in which it was made.
    twice = sealed(once, "next.test", b"arc=pass; dmarc=fail")
    assert chain_of(once[: once.index(b"From:")] + once).result == "fail"
    second = twice[: twice.index(once[: once.index(b"From:")])]
    assert chain_of(second + LETTER).result == "fail"


def test_keys_that_are_gone_and_a_dns_that_is() -> None:
    """ARC-01: fail, and temperror while nobody can say."""
    letter = passed_on("list.test")
    assert chain_of(letter, {"TXT s._domainkey.list.test": ()}).result == "fail"
    assert chain_of(letter, {"TXT s._domainkey.list.test": None}).result == "temperror"


@given(
    st.lists(st.sampled_from(["seal", "message-signature", "authentication-results"]), max_size=4),
    st.binary(max_size=80),
)
def test_any_octets_are_a_chain_or_none(names: list[str], octets: bytes) -> None:
    section = b"".join(b"ARC-" + name.encode() + b":" + octets.replace(b"\r\n", b"") + b"\r\n" for name in names)
    chain = chain_of(section + LETTER)
    assert chain.result == ("fail" if names else "none")
