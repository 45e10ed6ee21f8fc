"""Our signatures: what they cover, and that others find them good."""

from __future__ import annotations

import re
from pathlib import Path

import dkim
import pytest

from mailstack.letter.letter import Octets
from mailstack.policy.authentication.keys import InvalidKey, generate, load_private
from tests.aid import run
from tests.policy.authentication.letters import ED25519, LETTER, RSA, dns, said, signed, signer


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
