"""DKIM: verification, also against a second implementation, and signatures of letters."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.letter import Octets
from mailstack.policy.authentication.dkim import SLACK
from mailstack.policy.authentication.keys import InvalidKey, generate, load_private
from tests.aid import run
from tests.policy.authentication import samples
from tests.policy.authentication.letters import ED25519, LETTER, NOW, RSA, dns, outcomes, said, signed, signer
from tests.policy.visitor import Dns


def by_dkimpy(letter: bytes, *, forms: tuple[bytes, bytes] = (b"relaxed", b"relaxed"), **options: object) -> bytes:
    return dkim.sign(letter, b"s1", b"home.test", RSA.pem(), canonicalize=forms, **options) + letter


def test_the_sample_letter_of_rfc_8463() -> None:
    """DKIM-01: ed25519-sha256 and rsa-sha256, each by itself."""
    assert said(samples.LETTER, Dns(dict(samples.RECORDS))) == ["pass", "pass"]
    assert said(samples.LETTER.replace(b"hungry", b"angry"), Dns(dict(samples.RECORDS))) == ["fail", "fail"]
    assert said(samples.LETTER.replace(b"dinner", b"lunch"), Dns(dict(samples.RECORDS))) == ["fail", "fail"]


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
def test_what_another_program_signed(header: bytes, body: bytes) -> None:
    """DKIM-01: all four forms, as dkimpy makes them."""
    assert said(by_dkimpy(LETTER, forms=(header, body)), now=4e9) == ["pass"]


BODIES = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b".", b"\xff", b"bc d"])).map(b"".join)


@given(BODIES, st.sampled_from([b"simple", b"relaxed"]))
def test_bodies_are_taken_as_another_program_takes_them(body: bytes, form: bytes) -> None:
    # As a body comes by SMTP: it ends a line, or is none.
    letter = LETTER[: LETTER.index(b"\r\n\r\n") + 4] + (body and body + b"\r\n")
    assert said(by_dkimpy(letter, forms=(b"relaxed", form)), now=4e9) == ["pass"]


def with_tag(letter: bytes, before: bytes, after: bytes) -> bytes:
    assert before in letter
    return letter.replace(before, after, 1)


@pytest.mark.parametrize(
    ("before", "after", "result"),
    [
        (b"a=rsa-sha256", b"a=rsa-sha1", "permerror"),
        (b"v=1;", b"v=2;", "neutral"),
        (b"v=1;", b"", "neutral"),
        (b"d=home.test;", b"d=home.test; i=@other.test;", "permerror"),
        (b"d=home.test;", b"d=home.test; d=home.test;", "neutral"),
        (b"d=home.test;", b"d=..;", "neutral"),
        (b"h=from:from:", b"h=", "permerror"),
        (b"c=relaxed/relaxed", b"c=loose/relaxed", "permerror"),
        (b"s=s1;", b"s=;", "neutral"),
        (b"s=s1;", b"s=s1; q=http/ldap;", "permerror"),
        (b"t=1600000000;", b"t=soon;", "neutral"),
        (b"t=1600000000;", b"t=1600000000; x=1500000000;", "permerror"),
        (b"bh=", b"bh=?", "neutral"),
        (b"bh=", b"bh=AAAA", "fail"),
    ],
)
def test_signatures_that_are_none(before: bytes, after: bytes, result: str) -> None:
    """DKIM-01: rsa-sha1 is permerror; what breaks the grammar is neutral (RFC 8601 §2.7.1)."""
    assert said(with_tag(signed(), before, after)) == [result]


def test_what_is_signed_in_part_is_no_pass() -> None:
    """DKIM-01: l= that leaves something out is for who adds to letters."""
    letter = by_dkimpy(LETTER, length=True)
    assert said(letter, now=4e9) == ["pass"]
    assert said(letter + b"buy now\r\n", now=4e9) == ["policy"]
    assert said(letter[:-20], now=4e9) == ["fail"]


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ((), "permerror"),
        (None, "temperror"),
        (("v=DKIM1; p=",), "permerror"),
        (("v=DKIM2; p=AAAA",), "permerror"),
        (("nonsense",), "permerror"),
        (("v=DKIM1; p=AAAA",), "permerror"),
        (("v=DKIM1; p=?",), "permerror"),
        (("v=DKIM1; k=dsa; p=AAAA",), "permerror"),
        ((ED25519.record(),), "permerror"),
        ((RSA.record(), RSA.record()), "permerror"),
        ((RSA.record() + "; h=sha1",), "permerror"),
        ((RSA.record() + "; s=tlsrpt",), "permerror"),
        ((RSA.record() + "; s=email; h=sha1:sha256; t=s; n=note",), "pass"),
        ((generate("rsa", 1024).record(),), "fail"),
        ((generate("rsa", 1024).record() + "; t=y",), "neutral"),
    ],
)
def test_keys_in_the_dns(record: tuple[str, ...] | None, result: str) -> None:
    """DKIM-01: none, several, revoked, of another kind, for something else, only tried out."""
    assert said(signed(), Dns({"TXT s1._domainkey.home.test": record})) == [result]


def test_a_strict_key_signs_for_no_subdomain() -> None:
    """DKIM-01: t=s (RFC 6376 §3.6.1)."""
    letter = by_dkimpy(LETTER, identity=b"@sub.home.test")
    assert said(letter, now=4e9) == ["pass"]
    assert said(letter, Dns({"TXT s1._domainkey.home.test": (RSA.record() + "; t=s",)}), now=4e9) == ["permerror"]


def test_a_short_key_is_not_taken() -> None:
    """DKIM-01: RSA below 1024 bits (RFC 8301 §3.2)."""
    from cryptography.hazmat.primitives import serialization

    # A modulus of 512 bits; nobody needs to have the key, for its length is looked at first.
    numbers = bytes.fromhex("305c300d06092a864886f70d0101010500034b003048024100" + "c1" * 64 + "0203010001")
    assert serialization.load_der_public_key(numbers)
    record = f"v=DKIM1; p={base64.b64encode(numbers).decode()}"
    assert said(signed(), Dns({"TXT s1._domainkey.home.test": (record,)})) == ["policy"]


def test_a_key_whose_exponent_costs_the_verifier_much_is_not_taken() -> None:
    """DKIM-01: RFC 6376 §8.4. A chain of fifty such seals held the server up for a third of a second."""
    key = load_der_public_key(base64.b64decode(RSA.record().partition("p=")[2]))
    assert isinstance(key, RSAPublicKey)
    numbers = key.public_numbers()
    for exponent, result in (
        (numbers.e, "pass"),
        (2**32 - 1, "fail"),
        (2**32 + 1, "policy"),
        (numbers.n - 2, "policy"),
    ):
        other = RSAPublicNumbers(exponent, numbers.n).public_key()
        der = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        record = f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
        assert said(signed(), Dns({"TXT s1._domainkey.home.test": (record,)})) == [result]


def test_times_of_a_signature() -> None:
    """DKIM-01: x= ends it, and t= in the future is a mistake; clocks may differ by an hour."""
    letter = signed()
    assert said(letter, now=NOW - SLACK + 1) == ["pass"]
    assert said(letter, now=NOW - SLACK - 1) == ["policy"]


def test_each_signature_has_a_result_and_only_so_many_are_looked_at() -> None:
    """DKIM-01: several signatures."""
    letter = with_tag(signed(), b"s=s1", b"s=s9") + b""
    both = letter[: letter.index(b"From:")] + signed()
    assert said(both) == ["permerror", "pass"]
    assert len(outcomes(signed()[: signed().index(b"From:")] * 20 + LETTER, most=3)) == 3
    assert outcomes(both)[0].reason == "there is no key"


@given(st.binary(max_size=300))
def test_any_octets_are_a_signature_or_none(octets: bytes) -> None:
    letter = b"DKIM-Signature:" + octets.replace(b"\r\n", b"") + b"\r\n" + LETTER
    assert all(result in ("neutral", "permerror", "fail") for result in said(letter))


@given(st.text(max_size=200))
def test_any_text_is_a_key_record_or_none(text: str) -> None:
    for kind in ("rsa", "ed25519"):
        assert said(signed(), Dns({"TXT s1._domainkey.home.test": (text,)}))[0] == "permerror"
        assert said(signed(), Dns({"TXT s1._domainkey.home.test": (f"v=DKIM1; k={kind}; {text}",)}))[0] == "permerror"


def test_letter_without_signatures_makes_no_queries() -> None:
    texts = dns()
    assert said(LETTER, texts) == []
    assert texts.asked == []


def is_good_by_dkimpy(letter: bytes, key: object, index: int = 0) -> bool:
    return dkim.DKIM(letter).verify(index, dnsfunc=lambda *_, **__: key.record().encode())


def test_another_program_finds_both_kinds_of_signatures_good() -> None:
    """DKIM-02: rsa-sha256 and ed25519-sha256, as dkimpy sees them."""
    letter = signed(LETTER, RSA, ED25519)
    assert is_good_by_dkimpy(letter, RSA, 0)
    assert is_good_by_dkimpy(letter, ED25519, 1)


def test_the_field_is_folded_and_says_what_is_signed() -> None:
    """DKIM-02: relaxed/relaxed, d= of the From domain, From and others named once more than they are there."""
    field = signed()[: signed().index(b"From:")]
    assert max(len(line) for line in field.split(b"\r\n")) <= 78
    listed = re.search(rb"h=([^;]*);", field)
    assert listed is not None
    names = b"".join(listed.group(1).split()).split(b":")
    assert names.count(b"from") == names.count(b"to") == names.count(b"subject") == 2
    assert names.count(b"cc") == 1
    assert b"message-id" not in names
    assert b"c=relaxed/relaxed" in field
    assert b"d=home.test" in field


@pytest.mark.parametrize("added", [b"From: eve@evil.test\r\n", b"Subject: other\r\n", b"Cc: eve@evil.test\r\n"])
def test_a_field_that_is_added_breaks_the_signature(added: bytes) -> None:
    """DKIM-02: oversigning."""
    assert said(signed()) == ["pass"]
    assert said(added + signed()) == ["fail"]
    assert said(b"Received: from a by b\r\nX-Spam: no\r\n" + signed()) == ["pass"]


def test_only_our_authors_are_signed_for() -> None:
    """DKIM-02: the domain in From, or one above it, has a key."""

    def field(author: bytes) -> bytes:
        return run(signer(domains=("home.test", "sub.home.test")).signatures(Octets(b"From: " + author + b"\r\n\r\n")))

    assert b"d=home.test;" in field(b"a@home.test")
    assert b"d=sub.home.test;" in field(b"a@x.SUB.home.test")
    assert b"d=home.test;" in field(b"=?utf-8?q?=C3=A4?= <a@x.home.test>")
    assert field(b"a@nothome.test") == field(b"a@test") == field(b"nobody") == b""
    assert field(b"a@home.test\r\nFrom: b@home.test") == b""


def test_keys_are_kept_in_pem_and_published_as_records(tmp_path: Path) -> None:
    for kind, algorithm in (("rsa", "rsa-sha256"), ("ed25519", "ed25519-sha256")):
        file = tmp_path / kind
        file.write_bytes(generate(kind).pem())
        key = load_private(file)
        assert key.algorithm == algorithm
        assert said(signed(LETTER, key), dns(key=key)) == ["pass"]


def test_files_that_are_no_keys_say_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidKey, match="cannot be read"):
        load_private(tmp_path / "gone")
    (tmp_path / "bad").write_bytes(b"nonsense")
    with pytest.raises(InvalidKey, match="no private key"):
        load_private(tmp_path / "bad")
